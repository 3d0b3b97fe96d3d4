package command

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sample"
)

// complete returns what a shell would complete the last argument with, and
// whether it would also offer files.
func complete(t *testing.T, args ...string) (words []string, files bool) {
	t.Helper()
	var out bytes.Buffer
	root := rootCommand()
	root.SetArgs(append([]string{"__complete", "meta-webhook"}, args...))
	root.SetOut(&out)
	root.SetErr(new(bytes.Buffer))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v: got error %v, want none", args, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := len(lines) - 1
	for _, line := range lines[:last] {
		word, _, _ := strings.Cut(line, "\t") // and a description
		words = append(words, word)
	}
	switch lines[last] {
	case ":4", ":6": // no files, and perhaps no space
	case ":0":
		files = true
	default:
		t.Errorf("%v: got directive %s", args, lines[last])
	}
	return words, files
}

func TestCompletion(t *testing.T) {
	page := graph.Fields("page")
	var after []string
	for _, field := range page {
		if field != "feed" {
			after = append(after, "feed,"+field)
		}
	}
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"se"}, []string{"send"}},
		{[]string{"subscriptions", ""}, []string{"add", "apps", "list", "overrides", "remove"}},
		{[]string{"send", ""}, nil},
		{[]string{"send", "--sample", ""}, sample.Names()},
		{[]string{"send", "--url", ""}, nil},
		{[]string{"subscriptions", "add", "--object", ""}, graph.Objects()},
		{[]string{"subscriptions", "add", "--object", "threads", "--fields", ""}, []string{"delete", "mentions", "publish", "replies"}},
		{[]string{"subscriptions", "add", "--object", "page", "--fields", "feed,"}, after},
		{[]string{"subscriptions", "add", "--fields", ""}, nil},
		{[]string{"subscriptions", "remove", "--object", ""}, graph.Objects()},
		{[]string{"subscriptions", "apps", "add", "--fields", ""}, page},
	} {
		if got, files := complete(t, test.args...); !slices.Equal(got, test.want) || files {
			t.Errorf("%v: got %v and files %t, want %v and no files", test.args, got, files, test.want)
		}
	}
	for _, flag := range []string{"--file", "--secret-file", "--cert", "--key", "--cacert"} {
		if got, files := complete(t, "send", flag, ""); len(got) != 0 || !files {
			t.Errorf("%s: got %v and files %t, want files", flag, got, files)
		}
	}
}
