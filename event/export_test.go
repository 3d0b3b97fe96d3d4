package event

var StringEnd = stringEnd

// Stages returns what Parse does with a valid body, step by step, for
// benchmarks. What a step leaves behind is thrown away before it runs again.
func Stages(body []byte) (validate, scan, identify func()) {
	validating, scanning, identifying := newScanner(), newScanner(), newScanner()
	identifying.scan(body)
	validate = func() { _ = validating.validate(body) }
	scan = func() {
		scanning.clear()
		scanning.scan(body)
	}
	identify = func() {
		identifying.identity.forget()
		identifying.events()
	}
	return validate, scan, identify
}

// Hashed returns how many bytes are hashed for the IDs of the events in a
// valid body, beside what stands for values that are too long.
func Hashed(body []byte) (n int) {
	s := newScanner()
	s.scan(body)
	s.doc.keep(s.entries, len(s.updates))
	s.identity.start(s.doc, s.spaced)
	for i := range s.updates {
		u := &s.updates[i]
		s.identity.of(u, s.keys[u.key.from:u.key.to])
		n += len(s.identity.buf)
	}
	return n
}
