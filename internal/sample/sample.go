// Package sample generates notifications for trying out a receiver, in the
// shapes that Meta documents, with fresh IDs and times.
package sample

import (
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// MaxUpdates is the maximum number of updates in one notification of Meta.
const MaxUpdates = 1000

// A Sample is one kind of notification.
type Sample struct {
	Name string // unique
	Type string // CloudEvents type of its events

	around string // template of the notification, with {updates}
	update string // template of an update
}

// Notification returns a notification with the given number of updates. Every
// update is unique, across all notifications.
func (s Sample) Notification(updates int, now time.Time) []byte {
	var list strings.Builder
	for i := range updates {
		if i > 0 {
			list.WriteByte(',')
		}
		list.WriteString(fill(s.update, now))
	}
	return []byte(strings.Replace(fill(s.around, now), "{updates}", list.String(), 1))
}

// fill replaces the placeholders in a template with fresh IDs and times.
func fill(template string, now time.Time) string {
	return strings.NewReplacer(
		"{id}", digits(15),
		"{token}", token(24),
		"{seconds}", strconv.FormatInt(now.Unix(), 10),
		"{millis}", strconv.FormatInt(now.UnixMilli(), 10),
		"{iso}", now.UTC().Format("2006-01-02T15:04:05-0700"),
	).Replace(template)
}

// digits returns a random number of n digits.
func digits(n int64) string {
	least := new(big.Int).Exp(big.NewInt(10), big.NewInt(n-1), nil)
	random, err := rand.Int(rand.Reader, new(big.Int).Mul(least, big.NewInt(9)))
	if err != nil {
		panic(err) // rand.Reader never fails
	}
	return random.Add(random, least).String()
}

// token returns n random bytes in the encoding of Meta's message IDs.
func token(n int) string {
	random := make([]byte, n)
	_, _ = rand.Read(random) // never fails
	return base64.RawURLEncoding.EncodeToString(random)
}

// Find returns the sample with a name, and whether there is one.
func Find(name string) (Sample, bool) {
	for _, s := range All {
		if s.Name == name {
			return s, true
		}
	}
	return Sample{}, false
}

// Names returns the names of all samples.
func Names() []string {
	names := make([]string, len(All))
	for i, s := range All {
		names[i] = s.Name
	}
	return names
}
