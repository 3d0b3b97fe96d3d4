package rule_test

import (
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
)

func TestRules(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{rule.OneOf("a", "a", "b"), ""},
		{rule.OneOf("A", "a", "b"), `must be one of a, b, not "A"`},
		{rule.NotEmpty("a"), ""},
		{rule.NotEmpty(""), "must not be empty"},
		{rule.AtLeastOne(1), ""},
		{rule.AtLeastOne(0), "must be at least 1"},
		{rule.Between(1, 1, 3), ""},
		{rule.Between(3, 1, 3), ""},
		{rule.Between(0, 1, 3), "must be from 1 to 3"},
		{rule.Between[int64](4, 1, 3), "must be from 1 to 3"},
		{rule.Positive(1), ""},
		{rule.Positive(0), "must be longer than 0s"},
		{rule.For("option", nil), ""},
		{rule.For("option", rule.AtLeastOne(0)), "option: must be at least 1"},
	} {
		got := ""
		if tc.err != nil {
			got = tc.err.Error()
		}
		if got != tc.want {
			t.Errorf("got error %q, want %q", got, tc.want)
		}
	}
}
