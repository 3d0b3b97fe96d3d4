package event_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// What JSON is, and what is nearly JSON: values that may stand anywhere in a
// notification, valid ones and others.
var (
	validValues = []string{
		`0`, `-0`, `1`, `-1`, `10`, `100200300`, `1.5`, `0.5`, `-0.0`, `10.01`, `1e5`, `1E5`, `1e+5`, `1e-5`, `0e0`, `1.5e05`, `1e400`,
		`123456789012345678901234567890`, `0.00000000000000000000000000000001`,
		`true`, `false`, `null`,
		`""`, `"a"`, `" "`, `"seven b"`, `"eight by"`, `"nine byte"`, `"` + strings.Repeat("long ", 100) + `"`,
		`"\""`, `"\\"`, `"\/"`, `"\b\f\n\r\t"`, `"1234567\n"`, `"12345678\\"`, `"\\\\\\\\\\\\\\\\\""`, `"/"`,
		`"\u0000"`, `"\u00e9"`, `"\u00E9"`, `"\uFFFF"`, `"\ud83d\ude00"`, `"\uD83D\uDE00 and more"`,
		`"\ud83d"`, `"\ude00"`, `"\ude00\ud83d"`, `"\ud83d\u0041"`, `"\ud83d\ud83d\ude00"`, `"\ud83dx"`,
		"\"\x7f\"", `"é"`, `"€"`, `"😀"`, "\"\u2028\u2029\"", "\"\ufeff\"", "\"\ufffe\uffff\"", "\"\U0010ffff\"",
		`[]`, `[1]`, `[1,2]`, `[[]]`, `[[],[[]],[]]`, `["",{}]`, `[null,true,false]`,
		`{}`, `{"a":1}`, `{"":1}`, `{"a":{"a":{"a":1}}}`, `{"a":1,"b":2,"c":[]}`, `{"a":{"b":1},"b":{"a":1}}`, `{" a":1,"a ":2}`,
		`{"a":[{"a":1},{"a":1}]}`, `{"é":1,"e":2}`, `{"12345678":1,"1234567":2,"123456789":3}`, `{"true":true}`,
		`{"recipient_participant_id":1,"recipient_participant_user_id":2}`,
	}
	invalidValues = []string{
		``, `01`, `-01`, `00`, `+1`, `.5`, `-.5`, `1.`, `-1.`, `1.e5`, `1e`, `1E+`, `1e-`, `1e1.5`, `-`, `--1`, `-a`, `- 1`, `0x1`, `0b1`,
		`1_000`, `1a`, `1..2`, `1e5e5`, `NaN`, `nan`, `Infinity`, `-Infinity`, `１`, `1 2`, `1,2`, `0 .5`,
		`True`, `TRUE`, `tru`, `t`, `truee`, `true1`, `fals`, `nul`, `nulll`, `n`, `nil`, `undefined`, `true false`, `truefalse`,
		`"`, `"a`, `a"`, `"a"b`, `"a""b"`, `'a'`, "`a`", `"\"`, `"\`, `"a\`, `"\\\"`, `"\x41"`, `"\a"`, `"\0"`, `"\'"`, `"\u"`, `"\u1"`, `"\u12"`,
		`"\u123"`, `"\u123`, `"\u12G4"`, `"\uG234"`, `"\u 123"`, `"\U0041"`, `"\u+123"`, "\"\\\n\"", `"\ud83d\u"`, `"\é"`,
		"\"\n\"", "\"\t\"", "\"\x00\"", "\"\x1f\"", "\"1234567\n\"", "\"12345678\r\"", "\"123456789012345\x00\"", "\"\\n\x01\"",
		"\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xe0\x80\x80\"", "\"\xe0\x9f\xbf\"", "\"\xf0\x80\x80\x80\"", "\"\xf0\x8f\xbf\xbf\"", // longer than need be
		"\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"", "\"\xed\xa0\xbd\xed\xb8\x80\"", // surrogates
		"\"\xf4\x90\x80\x80\"", "\"\xf8\x88\x80\x80\x80\"", "\"\xff\"", "\"\xfe\"", // more than there are
		"\"\x80\"", "\"\xbf\"", "\"\xe2\x82\"", "\"\xe2\"", "\"\xf0\x9f\x98\"", "\"\xc3(\"", "\xe9", // pieces
		`[`, `]`, `[1`, `[1,`, `[1,]`, `[,1]`, `[,]`, `[1,,2]`, `[1 2]`, `["a" "b"]`, `[}`, `[1}`, `[:]`, `[1:2]`, `[1]]`, `[[1]`, `[1;2]`, `[[]`, `[][]`, `(1)`,
		`{`, `}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{,"a":1}`, `{"a" 1}`, `{"a"::1}`, `{"a":1:2}`, `{a:1}`, `{1:1}`, `{null:1}`,
		`{[]:1}`, `{"a":1 "b":2}`, `{"a":1,,"b":2}`, `{"a":1;"b":2}`, `{"a"}`, `{"a":}`, `{"a",1}`, `{"a":,1}`, `{'a':1}`, `{"a":1]`, `{"a":[1}`,
		`{"a":1}}`, `{:1}`, `{"a`, `{"a\":1}`, "{\"a\n\":1}", "{\"12345678\n\":1}", "{\"\x00\":1}", `{"a\x":1}`, `{"a"="b"}`, `{"a":1,b:2}`, `{"a":1,"b"}`, `{"a":1,2}`,
		"\v1", "\f1", "\u00a01", "\u20281", "\ufeff1", "\x001", "1\x00", "[1,\v2]", "[\u00a0]", "{\"a\"\f:1}", "\x1e1",
		`/**/1`, `1//`, `[1,/**/2]`, `#1`, `<1>`, `@`, `\"a\"`, `\u0022a\u0022`, `..`, `*`, `&`,
		`{"a":1,"a":2}`, `{"a":1,"a":1}`, `{"":1,"":2}`, `{"a":1,"b":2,"a":3}`, `{"a":{"b":1,"b":2}}`, `{"a":{"a":1},"a":2}`, `[{"a":1,"a":2}]`,
		`{"a":1,"\u0061":2}`, `{"\u0061":1,"a":2}`, `{"\/":1,"/":2}`, `{"\ud800":1,"\ud800":2}`, `{"é":1,"\u00e9":2}`,
	}
	// These are valid, and of the sort that the reader leaves to jsontext.
	unsureValues = []string{
		`{"\u0061":1}`, `{"a\n":1}`, `{"":1,"\\":2}`, `{"\"":{}}`, `{"\ud800":1,"\udc00":2}`[:15] + `}`,
		`{"beginning 1 the end":1,"beginning 2 the end":2}`,
		object(129), nested(65),
	}
)

// object returns an object of n members, nested one of n arrays in another.
func object(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"name %d":%d`, i, i)
	}
	return `{` + b.String()[1:] + `}`
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// surroundings are the places in a notification that a value may stand in, to
// each of which another part of the scanner comes.
var surroundings = []string{
	`VALUE`, ` VALUE `, `[VALUE]`, `[ VALUE , 1 ]`, `{"x":VALUE}`, "{ \"x\"\t:\r\nVALUE }\n",
	`{"object":VALUE}`, `{"object":"page","x":VALUE}`, `{"object":"page","entry":VALUE}`, `{"object":"page","entry":[VALUE]}`,
	`{"entry":[VALUE],"object":"page"}`, `{"entry":[],"x":VALUE,"object":"page"}`,
	`{"object":"page","entry":[{"id":VALUE,"x":VALUE,"time":VALUE}]}`, `{"object":"page","entry":[{"field":"f","value":VALUE}]}`,
	`{"object":"page","entry":[{"changes":[VALUE]}]}`, `{"object":"page","entry":[{"changes":[{"field":"feed","value":VALUE,"verb":VALUE}]}]}`,
	`{"object":"page","entry":[{"changes":[{"field":"f","value":{"post_id":VALUE,"x":[VALUE],"from":{"id":VALUE}}}],"messaging":VALUE}]}`,
	`{"object":"page","entry":[{"messaging":[VALUE,{"sender":VALUE,"message":{"mid":VALUE,"x":VALUE}}]}]}`,
	`{"object":"whatsapp_business_account","entry":[{"id":"9","changes":[{"value":{"metadata":VALUE,"statuses":[{"id":VALUE,"x":VALUE}],"x":VALUE},"field":"f"}]}]}`,
	`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"f","value":{"history":[{"threads":[{"messages":[{"id":VALUE},VALUE]},VALUE]}]}}]}]}`,
	`{"target_id":"7","values":[{"field":"f","value":VALUE}]}`, `{"target_id":VALUE,"values":VALUE}`,
}

func TestWhatIsJSON(t *testing.T) {
	t.Parallel()
	check := func(value string, valid, sure bool) {
		t.Helper()
		for _, around := range surroundings {
			body := []byte(strings.ReplaceAll(around, "VALUE", value))
			if valid != accepted(body) && value != "" && !strings.ContainsAny(value, ",:") { // which may complete what is around it
				t.Fatalf("%q: jsontext accepts it: got %t, want %t", body, !valid, valid)
			}
			checkReader(t, body)
			if got := event.Certain(body); valid && got != sure {
				t.Errorf("%q: certain: got %t, want %t", body, got, sure)
			}
		}
	}
	for _, value := range validValues {
		check(value, true, true)
	}
	for _, value := range invalidValues {
		check(value, false, false)
	}
	for _, value := range unsureValues {
		check(value, true, false)
	}
}

// What is around a notification is no part of it.
func TestWhatStandsAroundANotification(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		"": false, " ": false, "\n\n": false, `{}`: true, " \t\r\n{} \t\r\n": true, "{}\n": true, "{}\v": false, "{}\x00": false, "{}\u00a0": false,
		"\ufeff{}": false, "{}\ufeff": false, "\xff\xfe{\x00}\x00": false, `{}{}`: false, `{} {}`: false, `{},`: false, `{}]`: false, `{}}`: false,
		`[] []`: false, `1 2`: false, `{}null`: false, `{}x`: false, `,{}`: false, `{}//`: false, "{}\x1a": false, "{}\xff": false,
	} {
		if got := accepted([]byte(body)); got != want {
			t.Errorf("%q: jsontext accepts it: got %t, want %t", body, got, want)
		}
		checkReader(t, []byte(body))
	}
}

// Names are compared by their signatures, which depend on how long they are,
// and are made in another way of those that stand at the end of the body.
func TestNoNameComesTwice(t *testing.T) {
	t.Parallel()
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for n := range len(letters) {
		name := letters[:n]
		others := []string{name + "x", "x" + name, name + " "}
		if n > 0 {
			others = append(others, name[1:], name[:n-1], name[:n-1]+"_", "_"+name[1:])
		}
		for _, more := range []string{"", `"between":0,`, `"between":{"` + name + `":0},`} {
			for _, end := range []string{"", "\n", " \n \n \n \n"} {
				body := func(other string) []byte {
					return []byte(`{"` + name + `":0,` + more + `"` + other + `":0}` + end)
				}
				if got := event.Certain(body(name)); got {
					t.Errorf("%s: certain: got %t, want %t", body(name), got, false)
				}
				checkReader(t, body(name))
				for _, other := range others {
					if got := event.Certain(body(other)); !got {
						t.Errorf("%s: certain: got %t, want %t", body(other), got, true)
					}
					checkReader(t, body(other))
				}
			}
		}
	}
	for n := 2; n <= 150; n++ {
		for _, twice := range []int{0, n / 2, n - 1} {
			body := fmt.Sprintf(`%s,"name %d":1}`, strings.TrimSuffix(object(n), "}"), twice)
			if got := event.Certain([]byte(body)); got {
				t.Errorf("%s: certain: got %t, want %t", body, got, false)
			}
			checkReader(t, []byte(body))
		}
	}
}

func TestHowDeepJSONIs(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{1, 63, 64, 65, 66, 1000, 9_999, 10_000, 10_001, 100_000} {
		for _, pair := range [][2]string{{"[", "]"}, {`{"a":`, "}"}, {`[{"a":`, "}]"}} {
			for _, inner := range []string{"0", "", "]"} {
				body := []byte(strings.Repeat(pair[0], depth) + inner + strings.Repeat(pair[1], depth))
				checkReader(t, body)
			}
		}
	}
}

// TestEveryByteCounts replaces, removes and cuts at each byte of the seeds.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds {
		body := []byte(seed)
		for i := range body {
			for _, c := range []byte("\"\\{}[],:0a-.eu/ \x00\x1f\x7f\xff") {
				checkReader(t, slices.Concat(body[:i], []byte{c}, body[i+1:]))
			}
			for _, c := range []byte("\",]}0") {
				checkReader(t, slices.Concat(body[:i], []byte{c}, body[i:]))
			}
			checkReader(t, slices.Concat(body[:i], body[i+1:]))
			checkReader(t, body[:i])
			if t.Failed() {
				return
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, seed := range slices.Concat(seeds, validValues, invalidValues, unsureValues) {
		f.Add([]byte(seed))
	}
	for _, around := range surroundings {
		f.Add([]byte(strings.ReplaceAll(around, "VALUE", `{"a":[1,"\u0041"],"b":null}`)))
	}
	f.Fuzz(checkReader)
}

// checkReader checks that the body is a notification if it is one to jsontext,
// that it gives the same events and the same error, whichever way validates it,
// and that it is left to jsontext only for the reasons that there are.
func checkReader(t *testing.T, body []byte) {
	t.Helper()
	valid, certain := accepted(body), event.Certain(body)
	if certain && !valid {
		t.Fatalf("%q: certain that it is valid: got %t, want %t", body, certain, valid)
	}
	if valid && !certain && !leftToJSONText(t, body) {
		t.Fatalf("%q: certain that it is valid: got %t, want %t", body, certain, valid)
	}
	events, err := event.Parse(body)
	if (err == nil) != valid {
		t.Fatalf("Parse(%q): got error %v, want one: %t", body, err, !valid)
	}
	want, wantErr := event.ParseVetted(body)
	if got, want := fmt.Sprint(err), fmt.Sprint(wantErr); got != want && !errors.Is(err, event.ErrNotUTF8) {
		t.Fatalf("Parse(%q): got error %s, want %s", body, got, want)
	}
	if err != nil {
		return
	}
	if got, want := event.AppendJSONArray(nil, events), event.AppendJSONArray(nil, want); !bytes.Equal(got, want) {
		t.Fatalf("Parse(%q)\ngot  %s\nwant %s", body, got, want)
	}
	checkArray(t, body, events)
	for i := range events {
		if got, want := events[i].Retention(), want[i].Retention(); got != want {
			t.Fatalf("Parse(%q)\nevent %d: retention: got %d, want %d", body, i, got, want)
		}
	}
}

// leftToJSONText reports whether a valid body holds something that the reader
// is not certain of: names that look alike, more members in an object, or more
// depth than Meta ever sends.
func leftToJSONText(t *testing.T, body []byte) bool {
	t.Helper()
	const mostNames, mostDepth = 128, 64
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowInvalidUTF8(true))
	open := []map[string]bool{nil} // the looks of the names in each object
	for {
		depth := dec.StackDepth()
		kind, n := dec.StackIndex(depth)
		if kind == '{' && n%2 == 0 && dec.PeekKind() == '"' {
			name, err := dec.ReadValue()
			if err != nil {
				t.Fatalf("%q: reading a name: %v", body, err)
			}
			looks := string(name)
			if n := len(name) - 2; n > 8 {
				looks = fmt.Sprint(looks[:9], looks[n-7:], n)
			}
			if bytes.IndexByte(name, '\\') >= 0 || open[depth][looks] || countNames(open) == mostNames {
				return true
			}
			open[depth][looks] = true
			continue
		}
		_, err := dec.ReadToken()
		if err == io.EOF {
			return false
		}
		if err != nil {
			t.Fatalf("%q: reading a token: %v", body, err)
		}
		if depth = dec.StackDepth(); depth > mostDepth {
			return true
		}
		for len(open) <= depth {
			open = append(open, nil)
		}
		open = open[:depth+1]
		if kind, n := dec.StackIndex(depth); kind == '{' && n == 0 {
			open[depth] = make(map[string]bool)
		}
	}
}

// countNames returns how many names there are in the objects that are open.
func countNames(open []map[string]bool) (n int) {
	for _, names := range open {
		n += len(names)
	}
	return n
}
