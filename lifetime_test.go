// What ends a delivery before its time.

package metawebhook

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
)

// The sender of a notification hangs up while the app works on it, and other
// things happen before.
func TestDeliveriesEndWithTheirSendersOnlyInAShutdown(t *testing.T) {
	for _, tc := range []struct {
		name           string
		before, during func(own, other *Handler)
		ends           bool
	}{
		{"no shutdown", nil, nil, false},
		{"a shutdown before the notification", func(own, _ *Handler) { own.stop() }, nil, true},
		{"a shutdown during the delivery", nil, func(own, _ *Handler) { own.stop() }, true},
		{"the end of a configuration before", func(_, other *Handler) { other.stop() }, nil, false},
		{"the end of a configuration during the delivery", nil, func(_, other *Handler) { other.stop() }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, other := provisioned(t), provisioned(t) // two configurations of one name
			synctest.Test(t, func(t *testing.T) {
				if tc.before != nil {
					tc.before(h, other)
				}
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				next := &app{answer: func(_ http.ResponseWriter, r *http.Request, _ string) error {
					if tc.during != nil {
						tc.during(h, other)
					}
					synctest.Wait()
					if err := r.Context().Err(); err != nil {
						t.Errorf("got %v before the sender has hung up, want none", err)
					}
					hangUp()
					synctest.Wait()
					if ended := r.Context().Err() != nil; ended != tc.ends {
						t.Errorf("ended with its sender: got %t, want %t", ended, tc.ends)
					}
					return nil
				}}
				r := newNotification(`{"object":"page","entry":[{"id":"1","changed_fields":["a"]}]}`)
				_ = h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx), next)
				if len(next.bodies) != 1 {
					t.Errorf("got %d events delivered, want 1", len(next.bodies))
				}
			})
		})
	}
}
