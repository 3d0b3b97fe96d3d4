package delivery

import (
	"context"
	"net/http"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A Copy is the request that a destination gets of a stored event, for others
// to see.
type Copy struct {
	URI    string
	Header http.Header // without the gateway's own signature
	Body   []byte
}

// Copy returns what a destination gets of a stored event at the first attempt.
// With batch, that is a batch of this one. For a destination that is not
// configured it is the event alone.
func (s *Stored) Copy(destination string, of *store.Story, replay bool) (*Copy, error) {
	origin, signature, err := decodeOrigin(of.Origin)
	if err != nil {
		return nil, err
	}
	w := &worker{to: &Destination{Name: destination, Options: Options{Deliver: Each}}}
	for _, d := range s.Destinations {
		if d.Name == destination {
			w.to = d
		}
	}
	m := w.message([]store.Delivery{{Key: of.Key, Info: of.Info, Whole: of.Whole, Body: of.Body, Attempt: 1, Replay: replay}})
	if of.Whole {
		m.Signature = signature
	}
	h := new(Sender).header(context.Background(), origin, &m)
	return &Copy{URI: origin.RequestURI, Header: h, Body: m.Body}, nil
}
