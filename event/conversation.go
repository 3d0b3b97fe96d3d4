package event

import "strings"

func (e *Event) Conversation() string {
	s := e.Subject()
	if i := strings.LastIndexByte(s, '.'); i > 0 {
		s = s[:i]
	}
	return e.Object() + "\n" + e.Entry() + s
}
func (e *Event) DataAt(path string) (string, bool)   { return "", false }
func Lookup(data []byte, path string) (string, bool) { return "", false }
