package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestStatusIsOnlyRead(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		err := StatusAPI{}.Routes()[0].Handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, StatusPath, nil))
		if answer, ok := errors.AsType[caddy.APIError](err); !ok || answer.HTTPStatus != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %v, want 405", method, err)
		}
	}
}
