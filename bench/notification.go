package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
)

// What the contenders are configured with.
const (
	callback  = "/webhooks"
	token     = "a-verify-token"
	appSecret = "an-app-secret"
)

// slot stands in a template where each update has an id of its own: 16 hex
// digits.
const slot = "################"

// customerSlot stands in a template where each update has its customer, whose
// number has 11 digits.
const customerSlot = "@@@@@@@@@@@"

// customers is how many there are, and so how many conversations: messages of
// one conversation go to the app one after another.
const customers = 20_000

// A source makes the requests of one connection. It patches them into one
// piece of memory: what it does is done on the cores that the contenders run
// on, too.
type source struct {
	workload *workload
	request  []byte
	body     []byte // in the request
	sum      []byte // in the request: the hex digits of the signature
	slots    []int  // in the body
	who      []int  // in the body: the customers, equally many for each update
	mac      hash.Hash
	next     uint64 // id
	made     int
}

// newSource returns the source of the requests of a workload for a server.
// Its ids begin with first.
func newSource(w *workload, host string, first uint64) *source {
	s := &source{workload: w, mac: hmac.New(sha256.New, []byte(appSecret)), next: first}
	if w.method == http.MethodGet {
		s.request = fmt.Appendf(nil, "GET %s?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=%s HTTP/1.1\r\n"+
			"Host: %s\r\nUser-Agent: facebookplatform/1.0\r\nAccept: */*\r\n\r\n", callback, token, host)
		return s
	}
	body := notification(w.updates)
	digits := strings.Repeat("0", hex.EncodedLen(sha256.Size))
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: facebookexternalua\r\nAccept: */*\r\n"+
		"Accept-Encoding: deflate, gzip\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Hub-Signature-256: sha256=",
		callback, host, len(body))
	const end = "\r\n\r\n"
	s.request = []byte(head + digits + end + body)
	s.sum = s.request[len(head):][:len(digits)]
	s.body = s.request[len(s.request)-len(body):]
	s.slots, s.who = places(body, slot), places(body, customerSlot)
	return s
}

// places returns where a text stands in a body.
func places(body, text string) (all []int) {
	for at := 0; ; {
		i := strings.Index(body[at:], text)
		if i < 0 {
			return all
		}
		all = append(all, at+i)
		at += i + len(text)
	}
}

// size returns the length of a body.
func (s *source) size() int { return len(s.body) }

// make returns the next request, good until the one after it, and whether its
// events are new.
func (s *source) make() (request []byte, fresh bool) {
	fresh = s.made%s.workload.repeat == 0
	s.made++
	if fresh && s.body != nil {
		s.renew()
	}
	return s.request, fresh
}

// renew gives every update an id that no other has, and signs the body.
func (s *source) renew() {
	each := len(s.who) / len(s.slots)
	for i, at := range s.slots {
		putHex(s.body[at:at+len(slot)], s.next)
		for _, at := range s.who[i*each : (i+1)*each] {
			putDecimal(s.body[at:at+len(customerSlot)], 16_505_500_000+s.next%customers)
		}
		s.next++
	}
	s.mac.Reset()
	s.mac.Write(s.body)
	var sum [sha256.Size]byte
	s.mac.Sum(sum[:0])
	if s.workload.forged {
		sum[0] ^= 1
	}
	hex.Encode(s.sum, sum[:])
}

func putHex(digits []byte, n uint64) {
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = "0123456789abcdef"[n&15]
		n >>= 4
	}
}

func putDecimal(digits []byte, n uint64) {
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
}

// updatesPerEntry is how many updates stand in one entry.
const updatesPerEntry = 10

// notification returns the template of a notification of n updates: a message
// of WhatsApp, or many of its statuses.
func notification(n int) string {
	if n == 1 {
		return `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{` +
			`"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},` +
			`"contacts":[{"profile":{"name":"Ada Lovelace"},"wa_id":"` + customerSlot + `"}],` +
			`"messages":[{"from":"` + customerSlot + `","id":"wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQz` + slot + `","timestamp":"1767225600",` +
			`"text":{"body":"Is the jacket on page four there in green as well?"},"type":"text"}]},"field":"messages"}]}]}`
	}
	var b strings.Builder
	b.WriteString(`{"object":"whatsapp_business_account","entry":[`)
	for i := range n {
		if i%updatesPerEntry == 0 {
			if i > 0 {
				b.WriteString(`]},`)
			}
			fmt.Fprintf(&b, `{"id":"10229012934%04d","changes":[`, i/updatesPerEntry)
		} else {
			b.WriteByte(',')
		}
		b.WriteString(`{"value":{"metadata":{"phone_number_id":"1065403522"},"statuses":[{"id":"wamid.` + slot +
			`","status":"read","timestamp":"1767225600","recipient_id":"` + customerSlot + `"}]},"field":"messages"}`)
	}
	b.WriteString(`]}]}`)
	return b.String()
}
