package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/listen"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/listen/client"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/loopback"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sender"
)

type listenCommand struct {
	url, caCert string
	token       secretFlag
	filter      listen.Filter
	since       string
	replay      string
	retryFor    time.Duration
	json        bool

	forward forward
}

func newListenCommand() *cobra.Command {
	l := listenCommand{token: secretFlag{what: "token", flag: "token-file", variable: "LISTEN_TOKEN"}}
	cmd := &cobra.Command{
		Use:   "listen [--url <url>] [--forward-to <url>]",
		Short: "Copies the events of a gateway to an app on this machine",
		Long: `
Has a gateway anywhere send a copy of each event, and forwards it to an app on
this machine: with the bytes and the headers that the gateway's own app gets,
signed anew by Standard Webhooks. The secret is read from WEBHOOK_SECRET or
--secret-file, or else made and printed. A line per event says what the app has
answered. Without --forward-to, the events are printed only.

The gateway needs the option listen of meta_webhook_inspector; --url is where
that has its page. The token is read from LISTEN_TOKEN or --token-file.

Events come one at a time, in the order of the gateway, and each once. When the
connection breaks, the command comes back and goes on where it was, as far as the
gateway keeps events. An answer of the app is printed, and nothing else comes of
it: --replay has one event again.

The exit code is 0 after an interrupt, and 2 if the gateway refuses the token,
cannot be reached, or cannot be reached again within --retry-for.
`,
		Example: `  caddy meta-webhook listen --forward-to http://localhost:3000/webhooks
  caddy meta-webhook listen --url https://webhooks.example.com/inspector \
      --forward-to http://localhost:3000/webhooks --kind messages --since 1h
  caddy meta-webhook listen --json`,
		Args: cobra.NoArgs,
		RunE: run(l.run),
	}
	flags := cmd.Flags()
	flags.StringVar(&l.url, "url", "http://localhost:8080/inspector", "URL of the gateway's inspector")
	flags.StringVar(&l.caCert, "cacert", "", "PEM file with the certificate authorities to trust in place of the system's")
	l.token.register(cmd)
	l.forward.register(cmd)
	flags.StringVar(&l.filter.Object, "object", "", "Only events of this object, such as whatsapp_business_account")
	flags.StringVar(&l.filter.Kind, "kind", "", "Only events of this kind, such as messages")
	flags.StringVar(&l.filter.Conversation, "conversation", "", "Only events of this conversation (partitionkey)")
	flags.StringVar(&l.filter.Destination, "destination", "", "Only what this destination gets (default: each event once)")
	flags.StringVar(&l.since, "since", "", "Begin with what was received within this time, such as 2h (default: what comes)")
	flags.StringVar(&l.replay, "replay", "", "Only the event with this id, once more")
	flags.DurationVar(&l.retryFor, "retry-for", 10*time.Minute, "Time limit for coming back to the gateway")
	flags.BoolVar(&l.json, "json", false, "Print each event as a line of JSON, with its headers and its body")
	cmd.MarkFlagsMutuallyExclusive("replay", "since")
	return cmd
}

func (l *listenCommand) run(cmd *cobra.Command) error {
	roots, err := (&callbackFlags{caCert: l.caCert}).roots()
	if err != nil {
		return err
	}
	stream, err := l.stream()
	if err != nil {
		return err
	}
	token, source, err := l.token.read()
	if err != nil {
		return err
	}
	p := &listenPrinter{cmd: cmd, json: l.json}
	if err := l.forward.open(p, roots); err != nil {
		return err
	}
	defer l.forward.close()
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	c := client.Client{
		URL: stream, Token: token, HTTP: listenClient(roots), RetryFor: l.retryFor,
		Notice: func(n client.Notice) { l.notice(p, stream, n) },
	}
	err = c.Run(ctx, func(m *listen.Message) { p.message(m, l.forward.send(ctx, m)) })
	switch {
	case err != nil:
		return problem{l.explain(stream, source, err)}
	case l.replay != "" && p.messages == 0 && ctx.Err() == nil:
		return problem{fmt.Errorf("--replay: the gateway keeps no event with the id %s", l.replay)}
	}
	return p.err
}

// stream returns the URL of the stream.
func (l *listenCommand) stream() (*url.URL, error) {
	u, err := url.Parse(l.url)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("--url: must be an absolute URL such as https://webhooks.example.com/inspector")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("--url: must have no user, query or fragment")
	case u.Scheme == "http" && !loopback.Is(u.Hostname()):
		return nil, errors.New("--url: must be an https:// URL, for others could read the token and the events on the way")
	case l.retryFor <= 0:
		return nil, errors.New("--retry-for: must be positive")
	}
	query := url.Values{}
	for name, value := range map[string]string{
		"object": l.filter.Object, "kind": l.filter.Kind, "conversation": l.filter.Conversation,
		"destination": l.filter.Destination, "since": l.since, "id": l.replay,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if l.since != "" {
		if ago, err := caddy.ParseDuration(l.since); err != nil || ago <= 0 {
			return nil, errors.New("--since: must be a duration such as 2h")
		}
	}
	if l.replay != "" {
		if err := listen.CheckID(l.replay); err != nil {
			return nil, fmt.Errorf("--replay: %w", err)
		}
	}
	u = u.JoinPath("listen")
	u.RawQuery = query.Encode()
	return u, nil
}

// listenClient returns the client of the gateway. It does not follow redirects,
// which would show the token to others, and has the stream as it is.
func listenClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:              http.ProxyFromEnvironment,
			TLSClientConfig:    &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			DisableCompression: true,
			DisableKeepAlives:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// notice prints what has happened to the connection.
func (l *listenCommand) notice(p *listenPrinter, stream *url.URL, n client.Notice) {
	switch {
	case n.Connected != nil && n.Again:
		p.notice("Connected again.")
	case n.Connected != nil && l.replay == "":
		kept := "what passes it, from memory"
		if n.Connected.Stored {
			kept = "what is stored"
		}
		p.notice(fmt.Sprintf("Listening to %s, handler %s: %s.", stream.Host, oneWord(n.Connected.Name), kept))
	case n.Lost != nil:
		p.notice(fmt.Sprintf("The connection is lost (%v). Trying to come back for %s.", sender.Explain(stream, l.retryFor, n.Lost), l.retryFor))
	case n.Gap != nil:
		p.notice("Missing: " + gapReason(n.Gap))
	}
}

func gapReason(g *listen.Gap) string {
	switch g.Reason {
	case listen.GapDropped:
		return fmt.Sprintf("%d messages that the gateway no longer keeps. See max_events and max_bytes.", g.Missed)
	case listen.GapProcess:
		return "perhaps what the gateway has delivered before it was started again, or what another instance has. With destinations, it would be stored."
	case listen.GapStore:
		return "perhaps what was in the gateway's former store. It is another one now."
	}
	return "some messages."
}

// explain returns why there is no stream, with advice.
func (l *listenCommand) explain(stream *url.URL, source string, err error) error {
	r, ok := errors.AsType[*client.RefusedError](err)
	if !ok {
		if errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return explainWrapped(stream, l.retryFor, err)
	}
	var advice string
	switch {
	case r.Status == http.StatusUnauthorized:
		advice = "the gateway has another token in listen, or something in front of it requires a login.\nThe token came from " + source
	case r.Status == http.StatusForbidden:
		advice = "the gateway sees plain HTTP from another machine, or a proxy that is not among its trusted_proxies, or a firewall refuses the request"
	case r.Status == http.StatusOK || r.Status == http.StatusNotFound || r.Status == http.StatusMethodNotAllowed:
		advice = "there is no inspector with the option listen at this URL"
	case r.Status >= 300 && r.Status <= 399:
		advice = "the URL redirects. Use the one that it redirects to"
	default:
		return r
	}
	return fmt.Errorf("%w: %s", r, advice)
}

// explainWrapped explains the error that is in another one.
func explainWrapped(stream *url.URL, timeout time.Duration, err error) error {
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "no way back") {
		return fmt.Errorf("%s%w", strings.TrimSuffix(err.Error(), inner.Error()), sender.Explain(stream, timeout, inner))
	}
	return sender.Explain(stream, timeout, err)
}
