package metawebhook

import (
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
)

func named(name string, option func(*Handler)) *Handler {
	h := &Handler{Name: name, VerifyToken: []string{testToken}, AppSecret: []string{testSecret}}
	if option != nil {
		option(h)
	}
	return h
}

func batch(h *Handler) { h.Deliver = delivery.Batch }

func TestTwoHandlersOfOneName(t *testing.T) {
	for _, tc := range []struct {
		name          string
		first, second *Handler
		fails         bool
	}{
		{"different options", named("shop", nil), named("shop", batch), true},
		{"different options without a name", named("", nil), named("", batch), true},
		{"without a name and the default", named("", nil), named("default", batch), true},
		{"equal options", named("shop", batch), named("shop", batch), false},
		{"a default spelled out", named("shop", nil), named("shop", func(h *Handler) { h.Deliver = delivery.Each }), false},
		{"different names", named("shop", nil), named("forum", batch), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := newContext(t)
			if err := provision(t, ctx, tc.first); err != nil {
				t.Fatal(err)
			}
			err := provision(t, ctx, tc.second)
			if tc.fails != (err != nil) {
				t.Fatalf("got error %v, want one: %t", err, tc.fails)
			}
			if err != nil && !strings.Contains(err.Error(), "give each a name of its own") {
				t.Errorf("the error does not say what to do: %v", err)
			}
		})
	}
}

func TestReloadIsNoSecondHandlerOfTheName(t *testing.T) {
	before, after := named("shop", nil), named("shop", batch)
	if err := provision(t, newContext(t), before); err != nil {
		t.Fatal(err)
	}
	if err := provision(t, newContext(t), after); err != nil {
		t.Errorf("the new configuration was taken for a part of the old one: %v", err)
	}
}

func TestNameIsFreeAfterCleanup(t *testing.T) {
	ctx := newContext(t)
	first, second := named("shop", nil), named("shop", batch)
	if err := provision(t, ctx, first); err != nil {
		t.Fatal(err)
	}
	if err := first.Cleanup(); err != nil {
		t.Fatal(err)
	}
	if err := provision(t, ctx, second); err != nil {
		t.Error(err)
	}
}
