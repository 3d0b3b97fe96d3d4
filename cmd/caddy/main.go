// Command caddy is Caddy with its standard modules and the meta_webhook
// plugin built in.
//
// It is what the README's first command runs. To combine the plugin with
// others, build with xcaddy instead.
package main

import (
	_ "time/tzdata"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-meta-webhook/caddy-meta-webhook"
)

func main() {
	caddycmd.Main()
}
