package main

import "net/http"

// A workload is what the contenders are driven with.
type workload struct {
	name   string
	what   string
	method string

	updates int  // in a notification
	repeat  int  // how often each notification is sent
	forged  bool // the signature is wrong
	secure  bool // over TLS, with a client certificate
	want    int  // the status of every answer
}

var workloads = []*workload{
	{name: "one", what: "a WhatsApp message in a notification", updates: 1},
	{name: "ten", what: "ten updates in a notification", updates: 10},
	{name: "thousand", what: "a thousand updates in a notification", updates: 1000},
	{name: "retries", what: "a WhatsApp message, nine of ten times one that was delivered before", updates: 1, repeat: 10},
	{name: "forged", what: "a WhatsApp message with a wrong signature", updates: 1, forged: true, want: http.StatusUnauthorized},
	{name: "verify", what: "verification requests", method: http.MethodGet},
	{name: "tls", what: "a WhatsApp message over TLS with a client certificate", updates: 1, secure: true},
}

func init() {
	for _, w := range workloads {
		if w.method == "" {
			w.method = http.MethodPost
		}
		w.repeat = max(w.repeat, 1)
		if w.want == 0 {
			w.want = http.StatusOK
		}
	}
}
