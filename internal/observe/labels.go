package observe

import (
	"maps"
	"slices"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// otherLabel is what the metrics call what they do not know.
const otherLabel = "other"

// knownObjects are the objects that Meta documents, that of an app's other
// callback URLs, and that of a notification which names none.
var knownObjects = setOf(slices.AppendSeq([]string{"app", "unknown"}, maps.Keys(event.Documented())))

// knownKinds are the kinds that events of the documented objects may have, and
// those of an app's other callback URLs.
var knownKinds = setOf(append(event.Kinds(), "deauthorize", "data_deletion"))

func setOf(words []string) map[string]bool {
	set := make(map[string]bool, len(words))
	for _, word := range words {
		set[word] = true
	}
	return set
}

// label returns a word that is known, and other for all that are not: senders
// do not make labels.
func label(known map[string]bool, word string) string {
	if known[word] {
		return word
	}
	return otherLabel
}
