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
