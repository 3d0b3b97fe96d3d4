package metawebhook

import _ "github.com/caddyserver/caddy/v2"
