// Takes events, checks who has sent them, and keeps each once.
package main

import (
	"cmp"
	"io"
	"log"
	"net/http"
	"os"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	webhook, err := webhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /webhooks", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
		file := "event-" + r.Header.Get("Webhook-Id") // an event may come again, with the same id
		if err != nil || webhook.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusUnauthorized)
		} else if _, err := os.Stat(file); err == nil {
			w.WriteHeader(http.StatusNoContent)
		} else if os.WriteFile(file+".part", body, 0o600) != nil || os.Rename(file+".part", file) != nil {
			w.WriteHeader(http.StatusInternalServerError)
		} else {
			log.Println("took", r.Header.Get("Webhook-Id"))
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "3000"), nil))
}
