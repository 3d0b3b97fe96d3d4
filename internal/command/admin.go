package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

// adminFlags are the flags of commands that ask the admin API of a running
// Caddy.
type adminFlags struct{ address, config, adapter string }

func (a *adminFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&a.address, "address", "", "Address of the admin API (default: from --config, else "+caddy.DefaultAdminListen+")")
	flags.StringVarP(&a.config, "config", "c", "", "Configuration file to read the address of the admin API from")
	flags.StringVarP(&a.adapter, "adapter", "a", "", "Name of the config adapter to apply to --config")
}

// get reads the answer to a GET into v.
func (a *adminFlags) get(path string, query url.Values, v any) error {
	return a.call(http.MethodGet, path, query, v)
}

// post reads the answer to a POST into v.
func (a *adminFlags) post(path string, query url.Values, v any) error {
	return a.call(http.MethodPost, path, query, v)
}

func (a *adminFlags) call(method, path string, query url.Values, v any) error {
	address, err := caddycmd.DetermineAdminAPIAddress(a.address, nil, a.config, a.adapter)
	if err != nil {
		return err
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	answer, err := caddycmd.AdminAPIRequest(address, method, path, nil, nil)
	if err != nil {
		return problem{fmt.Errorf("the admin API at %s: %w", address, plain(err))}
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(v); err != nil {
		return problem{fmt.Errorf("reading the answer of the admin API at %s: %v", address, err)}
	}
	return nil
}

// plain returns an error of the admin API in its own words, without the JSON
// around them.
func plain(err error) error {
	_, text, _ := strings.Cut(err.Error(), "HTTP ")
	_, text, _ = strings.Cut(text, ": ")
	var answer struct{ Error string }
	if json.Unmarshal([]byte(text), &answer) != nil || answer.Error == "" {
		return err
	}
	return errors.New(answer.Error)
}

// destinations returns the destinations of a handler, or of all.
func (a *adminFlags) destinations(handler string) (all []admin.Destination, err error) {
	query := make(url.Values)
	if handler != "" {
		query.Set("handler", handler)
	}
	return all, a.get(admin.DestinationsPath, query, &all)
}

// completeNames lets shells complete the value of a flag with the names of
// destinations that a running Caddy has, or of their handlers.
func (a *adminFlags) completeNames(cmd *cobra.Command, flag string, name func(*admin.Destination) string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return a.names(name), cobra.ShellCompDirectiveNoFileComp
	})
}

// names returns the names of destinations or their handlers, each once, and
// none without a running Caddy.
func (a *adminFlags) names(name func(*admin.Destination) string) (names []string) {
	all, _ := a.destinations("")
	seen := make(map[string]bool)
	for i := range all {
		if n := name(&all[i]); !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	return names
}

func handlerOf(d *admin.Destination) string     { return d.Handler }
func destinationOf(d *admin.Destination) string { return d.Destination }
