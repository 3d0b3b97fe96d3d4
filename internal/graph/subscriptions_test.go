package graph

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
)

func TestSubscriptionsAreAddedListedAndRemoved(t *testing.T) {
	server, c := start(t)
	callback := receiver(t)
	if got, err := c.Subscriptions(t.Context()); err != nil || got == nil || len(got) != 0 {
		t.Errorf("got %v and error %v, want an empty list", got, err)
	}
	add := func(object string, values bool, fields ...string) {
		t.Helper()
		err := c.AddSubscription(t.Context(), Addition{Object: object, Fields: fields, CallbackURL: callback, VerifyToken: token, IncludeValues: values})
		if err != nil {
			t.Fatal(err)
		}
	}
	add("user", false, "photos")
	add("page", true, "feed", "mention")
	add("whatsapp_business_account", true, "messages")
	want := []graphtest.Subscription{
		{Object: "user", CallbackURL: callback, VerifyToken: token, Fields: []string{"photos"}},
		{Object: "page", CallbackURL: callback, VerifyToken: token, Fields: []string{"feed", "mention"}, IncludeValues: true},
		{Object: "whatsapp_business_account", CallbackURL: callback, VerifyToken: token, Fields: []string{"messages"}, IncludeValues: true},
	}
	if got := server.Subscriptions(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v at Meta, want %v", got, want)
	}

	list, err := c.Subscriptions(t.Context()) // over several pages
	if err != nil {
		t.Fatal(err)
	}
	wantList := []Subscription{
		{Object: "user", CallbackURL: callback, Active: true, Fields: []Field{{"photos", DefaultVersion}}},
		{Object: "page", CallbackURL: callback, Active: true, Fields: []Field{{"feed", DefaultVersion}, {"mention", DefaultVersion}}},
		{Object: "whatsapp_business_account", CallbackURL: callback, Active: true, Fields: []Field{{"messages", DefaultVersion}}},
	}
	if !reflect.DeepEqual(list, wantList) {
		t.Errorf("got %v, want %v", list, wantList)
	}

	if err := c.RemoveSubscription(t.Context(), "page", []string{"feed"}); err != nil {
		t.Error(err)
	}
	if err := c.RemoveSubscription(t.Context(), "user", nil); err != nil {
		t.Error(err)
	}
	want = want[1:]
	want[0].Fields = []string{"mention"}
	if got := server.Subscriptions(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v at Meta, want %v", got, want)
	}
}

func TestFieldsOfOldVersions(t *testing.T) {
	var got Subscription
	err := json.Unmarshal([]byte(`{"object":"user","fields":["photos",{"name":"feed","version":"v2.10"}]}`), &got)
	want := []Field{{Name: "photos"}, {"feed", "v2.10"}}
	if err != nil || !reflect.DeepEqual(got.Fields, want) {
		t.Errorf("got %v and error %v, want %v", got.Fields, err, want)
	}
}
