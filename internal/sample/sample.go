// Package sample makes notifications to try a receiver with, in the shapes
// that Meta documents, each with ids and times of its own.
package sample

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// MaxUpdates is how many updates Meta puts in one notification at most.
const MaxUpdates = 1000

// A Sample is one kind of notification.
type Sample struct {
	Name string // to ask for it by
	Type string // of the events that it becomes

	around string // the notification; {updates} stands for its updates
	update string
}

// Notification returns a notification of so many updates, as of now. No two
// updates are the same, in this notification or in any other.
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

// fill puts fresh ids and times in the place of their names.
func fill(template string, now time.Time) string {
	return strings.NewReplacer(
		"{id}", digits(15),
		"{token}", token(24),
		"{seconds}", strconv.FormatInt(now.Unix(), 10),
		"{millis}", strconv.FormatInt(now.UnixMilli(), 10),
		"{iso}", now.UTC().Format("2006-01-02T15:04:05-0700"),
	).Replace(template)
}

// digits returns a random number of so many digits.
func digits(n int64) string {
	least := new(big.Int).Exp(big.NewInt(10), big.NewInt(n-1), nil)
	random, err := rand.Int(rand.Reader, new(big.Int).Mul(least, big.NewInt(9)))
	if err != nil {
		panic(err) // rand.Reader never fails
	}
	return random.Add(random, least).String()
}

// token returns so many random bytes as Meta writes them in a message's id.
func token(n int) string {
	random := make([]byte, n)
	_, _ = rand.Read(random) // never fails
	return base64.RawURLEncoding.EncodeToString(random)
}

// Find returns the sample of a name.
func Find(name string) (Sample, error) {
	for _, s := range All {
		if s.Name == name {
			return s, nil
		}
	}
	return Sample{}, fmt.Errorf("there is no sample %q, only %s", name, strings.Join(Names(), ", "))
}

// Names returns the names of all samples.
func Names() []string {
	names := make([]string, len(All))
	for i, s := range All {
		names[i] = s.Name
	}
	return names
}
