package record

import (
	"encoding/binary"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// An Outcome is what a delivery is from then on.
type Outcome struct {
	Number   store.Number
	Key      store.Key
	Position uint64 // of the delivery, with store.Dead
	Result   store.Result
	Due      time.Time // with store.Again
	Attempts int       // this one included
	Attempt  store.Attempt
}

// Outcomes starts an Outcomes record.
func Outcomes(at time.Time, destination string) []byte {
	return appendText(appendTime(appendHead(make([]byte, 0, 128), KindOutcomes, 0), at), destination)
}

// AppendOutcome appends an outcome to an Outcomes record.
func AppendOutcome(b []byte, o *Outcome) []byte {
	b = binary.AppendUvarint(b, uint64(o.Number))
	b = append(b, o.Key[:]...)
	b = append(b, byte(o.Result))
	switch o.Result {
	case store.Again:
		b = appendTime(b, o.Due)
	case store.Dead:
		b = binary.AppendUvarint(b, o.Position)
	case store.Done, store.Returned:
	}
	b = binary.AppendUvarint(b, uint64(o.Attempts))
	return appendAttempt(b, &o.Attempt)
}

// ReadOutcomes reads an Outcomes record.
func ReadOutcomes(b []byte, visit func(at time.Time, destination []byte, o *Outcome)) error {
	_, r := head(b, KindOutcomes)
	at, destination := r.time(), r.text()
	for len(r.b) > 0 {
		o := Outcome{Number: store.Number(r.uint()), Key: r.key(), Result: store.Result(r.byte())}
		switch o.Result {
		case store.Again:
			o.Due = r.time()
		case store.Dead:
			o.Position = r.uint()
		case store.Done, store.Returned:
		}
		o.Attempts = int(r.uint())
		o.Attempt = r.attempt()
		if !r.bad {
			visit(at, destination, &o)
		}
	}
	return r.err()
}

// A Discard is a delivery that was discarded.
type Discard struct {
	Number store.Number
	Key    store.Key
}

// Discards starts a Discards record.
func Discards(at time.Time, destination string) []byte {
	return appendText(appendTime(appendHead(make([]byte, 0, 128), KindDiscards, 0), at), destination)
}

// AppendDiscard appends a delivery to a Discards record.
func AppendDiscard(b []byte, d *Discard) []byte {
	b = binary.AppendUvarint(b, uint64(d.Number))
	return append(b, d.Key[:]...)
}

// ReadDiscards reads a Discards record.
func ReadDiscards(b []byte, visit func(at time.Time, destination []byte, d *Discard)) error {
	_, r := head(b, KindDiscards)
	at, destination := r.time(), r.text()
	for len(r.b) > 0 {
		d := Discard{Number: store.Number(r.uint()), Key: r.key()}
		if !r.bad {
			visit(at, destination, &d)
		}
	}
	return r.err()
}

// Pause returns a Pause record.
func Pause(destination string, paused bool) []byte {
	return appendText(appendBool(appendHead(nil, KindPause, 0), paused), destination)
}

// ReadPause reads a Pause record.
func ReadPause(b []byte) (destination string, paused bool, err error) {
	_, r := head(b, KindPause)
	paused = r.bool()
	destination = string(r.text())
	return destination, paused, r.err()
}
