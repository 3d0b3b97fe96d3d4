package command

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph/graphtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sender"
)

const (
	testToken  = "correct horse"
	testSecret = "battery staple"

	// two entries with two updates and one
	testBody = `{"object":"page","entry":[` +
		`{"id":"1","time":1700000000,"changes":[{"field":"feed","value":{"n":1}},{"field":"feed","value":{"n":2}}]},` +
		`{"id":"2","time":1700000000,"changes":[{"field":"mention","value":{"n":3}}]}]}`
)

// A result is the output of a command and its exit code.
type result struct {
	code      int
	out, errs string
}

// rootCommand returns a command with meta-webhook, like Caddy's.
func rootCommand() *cobra.Command {
	root := &cobra.Command{Use: "caddy", SilenceUsage: true}
	cmd := &cobra.Command{Use: "meta-webhook"}
	setUpCommand(cmd)
	root.AddCommand(cmd)
	return root
}

// cleanEnvironment unsets the environment variables that the commands read.
func cleanEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{"META_APP_SECRET", "META_VERIFY_TOKEN", "META_ACCESS_TOKEN", "META_APP_ID"} {
		t.Setenv(name, "")
	}
}

// command runs caddy meta-webhook.
func command(t *testing.T, stdin string, args ...string) (r result) {
	t.Helper()
	var out, errs bytes.Buffer
	root := rootCommand()
	root.SetArgs(append([]string{"meta-webhook"}, args...))
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	switch err := root.ExecuteContext(t.Context()); {
	case err == nil:
	case err.Error() == "exiting with status 2": // Caddy makes an exit code of it
		r.code = 2
	default:
		r.code = 1
	}
	r.out, r.errs = out.String(), errs.String()
	for _, secret := range []string{testSecret, testToken, graphtest.AccessToken} {
		if strings.Contains(r.out+r.errs, secret) {
			t.Errorf("got a secret in %s%s, want none", r.out, r.errs)
		}
	}
	return r
}

// want checks the exit code of a command, and that stdout and stderr contain the
// texts, or are empty if a text is empty.
func (r result) want(t *testing.T, code int, out, errs string) {
	t.Helper()
	if r.code != code {
		t.Errorf("got exit code %d, want %d", r.code, code)
	}
	for _, stream := range []struct{ name, got, want string }{{"stdout", r.out, out}, {"stderr", r.errs, errs}} {
		if !strings.Contains(stream.got, stream.want) || stream.want == "" && stream.got != "" {
			t.Errorf("got %q on %s, want %q", stream.got, stream.name, stream.want)
		}
	}
}

// A receiver is a callback URL that records its requests.
type receiver struct {
	*httptest.Server
	mu         sync.Mutex
	bodies     []string
	signatures []string
	certs      int // client certificates
}

// newReceiver starts a receiver that answers with respond, or 200.
func newReceiver(t *testing.T, respond http.HandlerFunc) *receiver {
	t.Helper()
	r := new(receiver)
	r.Server = httptest.NewServer(r.recording(respond))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) recording(respond http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock() // also serializes calls of respond
		defer r.mu.Unlock()
		r.bodies = append(r.bodies, string(body))
		r.signatures = append(r.signatures, req.Header.Get(sender.SignatureHeader))
		if req.TLS != nil {
			r.certs += len(req.TLS.PeerCertificates)
		}
		if respond != nil {
			respond(w, req)
		}
	}
}

// got checks the signatures of the requests and returns their bodies.
func (r *receiver) got(t *testing.T, secret string) []string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, body := range r.bodies {
		if want := sender.Sign(secret, []byte(body)); r.signatures[i] != want {
			t.Errorf("got signature %s, want %s", r.signatures[i], want)
		}
	}
	return r.bodies
}

// textFile writes a temporary file and returns its path.
func textFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// everyCommand calls f with meta-webhook and all its subcommands.
func everyCommand(f func(*cobra.Command)) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		f(cmd)
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(rootCommand().Commands()[0])
}

func TestCaddyHasTheCommand(t *testing.T) {
	if cmd, ok := caddycmd.Commands()["meta-webhook"]; !ok || cmd.Long == "" {
		t.Error("got no meta-webhook among Caddy's commands, want it with a description")
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	seen := 0
	everyCommand(func(cmd *cobra.Command) {
		seen++
		path := strings.Fields(cmd.CommandPath())[2:]
		r := command(t, "", append(path, "--help")...)
		r.want(t, 0, "Examples:\n  caddy meta-webhook ", "")
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: got no usage of --%s, want some", cmd.CommandPath(), f.Name)
			}
		})
	})
	if seen < 18 {
		t.Errorf("got %d commands, want all", seen)
	}
}

// exampleLine matches a command in a help text or a code block of a page.
var exampleLine = regexp.MustCompile(`(?m)^(?:[ \t$]|[A-Z_]+=\S+ |curl -H "\$\()*caddy meta-webhook ([^|>)#\n]+)`)

// TestExamplesParse parses every example without running it.
func TestExamplesParse(t *testing.T) {
	var texts []string
	for _, page := range []string{"guides/connect.md", "reference/commands.md", "reference/observing.md"} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	everyCommand(func(cmd *cobra.Command) { texts = append(texts, cmd.Example) })
	examples := 0
	for _, text := range texts {
		for _, match := range exampleLine.FindAllStringSubmatch(strings.ReplaceAll(text, "\\\n", " "), -1) {
			examples++
			cmd, args, err := rootCommand().Find(append([]string{"meta-webhook"}, strings.Fields(match[1])...))
			if err == nil {
				err = errors.Join(cmd.ParseFlags(args), cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups())
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil || !cmd.HasParent() || cmd.HasSubCommands() {
				t.Errorf("%s: got error %v from %s, want none", match[1], err, cmd.CommandPath())
			}
		}
	}
	if examples < 25 {
		t.Errorf("got %d examples, want more", examples)
	}
}

// TestNoSecretIsAnArgument checks that no flag takes a secret: other users of the
// machine could read it.
func TestNoSecretIsAnArgument(t *testing.T) {
	everyCommand(func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if (strings.Contains(f.Name, "secret") || strings.Contains(f.Name, "token")) && !strings.HasSuffix(f.Name, "-file") {
				t.Errorf("%s: got --%s, want a file", cmd.CommandPath(), f.Name)
			}
		})
	})
}

func TestUsageErrors(t *testing.T) {
	for want, args := range map[string][]string{
		`Error: unknown command "snd", did you mean "send"?`:                                                   {"snd"},
		`unknown command "ssend", did you mean "send"?`:                                                        {"ssend", "--sample", "page-feed"},
		`unknown command "s", did you mean "send" or "sign" or "status" or "store" or "subscriptions"?`:        {"s"},
		`unknown command "nonsense": must be one of destinations, events, listen, parse, send, sign, status, `: {"nonsense"},
		`unknown command "nonsense" for "caddy meta-webhook send"`:                                             {"send", "nonsense"},
		`unknown command "remvoe", did you mean "remove"?`:                                                     {"subscriptions", "remvoe"},
		`unknown command "nonsense": must be one of add, apps, list, overrides, remove`:                        {"subscriptions", "nonsense"},
		"unknown flag: --smaple, did you mean --sample?":                                                       {"send", "--smaple", "page-feed"},
		"unknown flag: --secret, did you mean --secret-file?":                                                  {"sign", "--secret", "x"},
		"Error: unknown flag: --nonsense\n":                                                                    {"verify", "--nonsense"},
		"Error: unknown shorthand flag: 'x' in -x\n":                                                           {"verify", "-x"},
	} {
		command(t, "", args...).want(t, 1, "", want)
	}
	command(t, "").want(t, 0, "Available Commands:", "")
}

func TestDefaultsFitTheExample(t *testing.T) {
	example, err := os.ReadFile("../../example.Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	secret, token := appSecretFlag(), verifyTokenFlag()
	for _, want := range []string{
		"http://localhost:8080 {",
		"meta_webhook /webhooks {",
		"{$" + secret.variable + ":" + secret.development + "}",
		"{$" + token.variable + ":" + token.development + "}",
	} {
		if !strings.Contains(string(example), want) {
			t.Errorf("got no %s in example.Caddyfile, want the default of the commands", want)
		}
	}
	everyCommand(func(cmd *cobra.Command) {
		want := "http://localhost:8080/webhooks"
		if cmd.Name() == "listen" {
			want = "http://localhost:8080/inspector"
		}
		if f := cmd.Flags().Lookup("url"); f != nil && f.DefValue != want {
			t.Errorf("%s: got the default %s, want that of example.Caddyfile", cmd.CommandPath(), f.DefValue)
		}
	})
}
