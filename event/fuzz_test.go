package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// seeds is an example of each shape.
var seeds = []string{
	`{"object":"user","entry":[{"id":"1","uid":"1","time":1600000000,"changes":[{"field":"photos","value":{"verb":"update"}}]}]}`,
	`{"entry":[{"time":1600000000,"changes":[{"field":"photos","value":"x"},{"field":"photos"}],"uid":1}],"object":"user"}`,
	`{"object":"user","entry":[{"id":"1","changed_fields":["photos","feed"]}]}`,
	`{"object":"user","entry":{"id":"1","changes":[{"field":"status","verb":"update","value":[1]}]}}`,
	`{"object":"permissions","entry":[{"changes":[{"verb":"granted","field":"email","target_ids":[1,2]}]}]}`,
	`[{"object":"application","entry":[{"changes":[{"field":"x","value":1}]}]},{"object":"page"}]`,
	`{"object":"instagram","entry":[{"id":"1","time":"2020-09-13T12:26:40+0000","field":"comments","value":{"id":"c"}}]}`,
	`{"object":"instagram","entry":[{"id":"1","changes":[{"field":"comments","value":{"id":"c"}}]}]}`,
	`{"object":"page","entry":[{"id":10211885744794461,"time":1600000000,"changes":[{"field":"leadgen","value":{"leadgen_id":1e400}}]}]}`,
	`{"object":"page","entry":[{"id":"1","changes":[{"field":"feed","value":{"comment_id":"1_3","post_id":"1_2","timestamp":3}}]}]}`,
	`{"object":"page","entry":[{"id":"1","time":1600000000123,"messaging":[{"sender":{"id":"7"},"timestamp":1600000000123,"message":{"mid":"m","text":"\ud83d\ude00"}}]}]}`,
	`{"object":"page","entry":[{"messaging":[{"message":{"mid":"m","is_echo":true}},{"message":{"mid":"m","is_deleted":true}},{"message_edit":{"mid":"m","num_edit":1}}]}]}`,
	`{"object":"page","entry":[{"messaging":[{"sender":{"id":"7"},"timestamp":3,"reaction":{"mid":"m","action":"react","emoji":"x"}},{"postback":{"mid":"m"}},{"timestamp":1,"sender":{"id":2},"postback":{"payload":"p"}}]}]}`,
	`{"object":"page","entry":[{"messaging":[{"sender":{"id":"7"},"delivery":{"watermark":3,"mids":["m"]}},{"sender":{"id":"7"},"read":{"watermark":3,"mid":"m"}},{"optin":{}},{"x":1}]}]}`,
	`{"object":"page","entry":[{"standby":[{"message":{"mid":"m"}}],"messaging":[{"pass_thread_control":{}},{"policy-enforcement":{}}],"changes":[]}]}`,
	`{"object":"whatsapp_business_account","entry":[{"id":"9","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"5"},"contacts":[{}],"messages":[{"id":"w","timestamp":"3"},{"id":"v"}]}}]}]}`,
	`{"object":"whatsapp_business_account","entry":[{"changes":[{"value":{"a":1,"statuses":[{"id":"w","status":"read","timestamp":"3","recipient_id":"7"}],"errors":[{}],"b":2,"messages":[{}],"calls":[{"id":1,"event":"x"}]},"field":"f"}]}]}`,
	`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"f","value":{"errors":[{},{}],"messages":[]}},{"field":"f","value":{"groups":[{},1],"state_sync":[{},{}]}},{"field":"f","value":[]}]}]}`,
	`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"f","value":{"mess\u0061ges":[{"id":"m"}],"statuses":[{"id":"s"}]}}]}]}`,
	`{"entry":[{"field":"messages","value":{ "calls" : [ {"id":1,"status":"x"} , { } ] }}],"object":"whatsapp_business_account"}`,
	`{"app_id":"5","topic":"moderate","target_id":"7","time":1600000000,"values":{"field":"replies","value":{"id":"r"}}}`,
	`{"values":[{"field":"replies","value":{"id":"r"}},1,{"value":2}],"target_id":7}`,
	`{"target_id":"7","values":[],"entry":[]}`,
	`{"object":5,"entry":[1,null,"x",[{}],{},{"id":"1","changes":{"a":1}},{"changes":[1,{"field":""},{}],"changed_fields":["",1,{}],"messaging":[1],"standby":"s"}]}`,
	`{"\u006fbject":"Pa\/g\u00e9","entr\u0079":[{"\u0069d":"\ud800","changes":[{"fi\u0065ld":"A b.\u00fc","v\u0061lue":{"\ud800":-0}}]}]}`,
	" [ 1 , { \"object\" : \"page\" , \"entry\" : [ { \"id\" : \"1\" , \"messaging\" : [ { \"read\" : { } } ] } ] } ]\n",
	`{"object":"page","entry":[{"field":"a","value":1},{"field":"a"},{"value":1,"changes":[]}]}`,
	`{"object":"page","entry":[{"time":"1600000000.5","changed_fields":["a","a"]},{"time":9223372036854775808,"changed_fields":["a","a"]}]}`,
	`{"object":"page","entry":[{"id":"1","time":5,"novelty":[],"messaging":[{"violations":[]}],"standby":{"x":1},"field":"a"}],"more":1}`,
	`{"object":"page","entry":[{"id":"1","calls":[{"id":"c","event":"connect","from":"7","to":"1","timestamp":3},1]}]}`,
	`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":1},"recipient":{"id":"7"},"timestamp":3,"message":{"mid":"m","is_echo":true}},{"optin":{"user_ref":"u"},"timestamp":0}]}]}`,
	`{"object":"instagram","entry":[{"id":"1","time":3,"changes":[{"field":"messaging_postbacks","value":{"sender":{"id":"7"},"timestamp":"3","postback":{"mid":"p"}}},{"field":"comments","value":{"id":"c","media":{"id":"m"}}}]}]}`,
	`{"object":"page","entry":[{"id":"1","changes":[{"field":"feed","value":{"item":"like","verb":"add","post_id":"1_2","created_time":3}},{"field":"feed","verb":"edited","value":{"created_time":3}}]}]}`,
	`{"object":"whatsapp_business_account","entry":[{"id":"0","changes":[{"field":"standby","value":{"metadata":{"phone_number_id":"5"},"contacts":[{}],"standby":{"messages":[{"id":"w","from":"7"}],"statuses":[{"id":"s","payment":{}}]}},"more":[1]}]}]}`,
	`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"history","value":{"history":[{"threads":[{"messages":[{"id":"w"},{}]},{}]}]}},{"field":"messaging_handovers","value":{"sender":{"phone_number":"7"},"recipient":{"phone_number_id":"5"},"timestamp":"3"}}]}]}`,
	`{"entry":[{"id":[{"a":{"b":""}},{"long":"0123456789012345678901234567890123456789","longer":"0123456789","more":{"x":0}}]}]}`,
	`{}`, `[]`, `[[]]`, `null`, `"x"`, `1e400`, ``, `{`, `{"a":1,"a":2}`, "\xff", "\ufeff{}", `{}x`,
}

var (
	idPattern           = regexp.MustCompile(`^[0-9a-f]{32}$`)
	conversationPattern = regexp.MustCompile(`^([A-Za-z0-9._~@=+-]|%[0-9A-F]{2})*[/#:]([A-Za-z0-9._~@=+-]|%[0-9A-F]{2})*$`)
)

// accepted reports whether the body is one JSON text in UTF-8 whose objects
// name no member twice.
func accepted(body []byte) bool {
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowInvalidUTF8(true))
	if _, err := dec.ReadValue(); err != nil || !utf8.Valid(body) {
		return false
	}
	_, err := dec.ReadToken()
	return err == io.EOF
}

func FuzzParse(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		events, err := event.Parse(body)
		if got, want := err == nil, accepted(before); got != want {
			t.Fatalf("accepted: got %t (%v), want %t", got, err, want)
		}
		if err != nil {
			if !errorWords.MatchString(err.Error()) {
				t.Errorf("error text: got %q, want only %s", err, errorWords)
			}
			if _, ok := errors.AsType[*event.Error](err); !ok || events != nil {
				t.Errorf("got %d events and a %T, want an *event.Error alone", len(events), err)
			}
			return
		}
		if got, room := event.Held(events), event.Room(before); got > room {
			t.Errorf("got %d bytes held of %q, want the %d at most that there is room for", got, before, room)
		}
		for i := range events {
			checkCloudEvent(t, &events[i])
		}
		batch := event.AppendJSONArray(nil, events)
		var decoded []json.RawMessage
		if err := json.Unmarshal(batch, &decoded); err != nil || len(decoded) != len(events) {
			t.Errorf("batch: got %d events, %v, want %d", len(decoded), err, len(events))
		}
		if !bytes.Equal(body, before) {
			t.Errorf("body afterwards: got %q, want %q", body, before)
		}
		again, err := event.Parse(bytes.Clone(before))
		if got, want := idsOf(again), idsOf(events); err != nil || !slices.Equal(got, want) {
			t.Errorf("ids the second time: got %v, %v, want %v", got, err, want)
		}
		var indented bytes.Buffer
		if json.Indent(&indented, before, "\t", "  ") == nil {
			again, err := event.Parse(indented.Bytes())
			if got, want := idsOf(again), idsOf(events); err != nil || !slices.Equal(got, want) {
				t.Errorf("ids after json.Indent: got %v, %v, want %v", got, err, want)
			}
		}
	})
}

// checkCloudEvent checks what is true of every event.
func checkCloudEvent(t *testing.T, ev *event.Event) {
	t.Helper()
	doc := ev.AppendJSON(nil)
	if room := ev.JSONRoom(); len(doc) > room {
		t.Errorf("got %d bytes for %s, want the %d at most that there is room for", len(doc), doc, room)
	}
	var ce struct {
		SpecVersion, ID, Source, Type, Subject, Time, DataContentType *string
		MetaObject, MetaEntry, MetaUID, MetaField, PartitionKey       *string
		Data                                                          json.RawMessage
	}
	if err := json.Unmarshal(doc, &ce); err != nil {
		t.Fatalf("decoding %s: %v", doc, err)
	}
	for name, value := range map[string]*string{
		"specversion": ce.SpecVersion, "id": ce.ID, "source": ce.Source, "type": ce.Type, "partitionkey": ce.PartitionKey,
	} {
		if value == nil || *value == "" {
			t.Errorf("%s: got none in %s, want one", name, doc)
		}
	}
	for name, value := range map[string]*string{
		"subject": ce.Subject, "time": ce.Time, "metaobject": ce.MetaObject,
		"metaentry": ce.MetaEntry, "metauid": ce.MetaUID, "metafield": ce.MetaField,
	} {
		if value != nil && *value == "" {
			t.Errorf("%s: got an empty one in %s, want none", name, doc)
		}
	}
	if !idPattern.MatchString(*ce.ID) {
		t.Errorf("id: got %s, want 32 lower-case hex digits", *ce.ID)
	}
	if got := ev.Type(); got != *ce.Type || !regexp.MustCompile(`^com\.facebook\.[a-z0-9_-]+\.[a-z0-9_-]+$`).MatchString(got) {
		t.Errorf("type: got %q and %q, want one of plain characters", got, *ce.Type)
	}
	if got := ev.Conversation(); got != *ce.PartitionKey || !conversationPattern.MatchString(got) {
		t.Errorf("conversation: got %q and %q, want one of two sides", got, *ce.PartitionKey)
	}
	data := ev.AppendData(nil)
	if whole, ok := ev.DataAt(""); ok != ev.HasData() || ok && data[0] != '"' && whole != string(data) {
		t.Errorf("DataAt of no path: got %q, %t, want %q", whole, ok, data)
	}
	if ev.HasData() != (ce.DataContentType != nil) || ev.HasData() != (len(ce.Data) > 0) || ev.HasData() != (len(data) > 0) {
		t.Errorf("HasData: got %t with data %q in %s", ev.HasData(), data, doc)
	}
	if ev.HasData() && (!json.Valid(data) || !bytes.Equal(data, ce.Data)) {
		t.Errorf("data: got %s and %s, want one valid JSON value", data, ce.Data)
	}
}

func FuzzParseDifferential(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := event.Parse(body)
		if err != nil {
			return // FuzzParse says when there must be an error
		}
		checkReference(t, body, events)
	})
}

// checkReference checks that the events are those of the reference, and that
// those have the same id which are the same.
func checkReference(t *testing.T, body []byte, events []event.Event) {
	t.Helper()
	root, err := readDocument(body)
	if err != nil {
		t.Fatalf("reference: got error %v, want none", err)
	}
	all := reference(root)
	if got, want := compactAll(t, events), summaries(all); !slices.Equal(got, want) {
		t.Fatalf("Parse(%s)\ngot%s\nwant%s", body, lines(got), lines(want))
	}
	idOf, toldOf := make(map[string]event.ID), make(map[event.ID]string)
	for i := range events {
		ev, want, id := &events[i], all[i], events[i].ID()
		if got, want := ev.Retention(), want.retention(); got != want {
			t.Errorf("Parse(%s)\nevent %d: retention: got %d, want %d", body, i, got, want)
		}
		if got, key := ev.Conversation(), want.conversation(); got != key && len(body) <= 200 { // of longer ids, it has a digest
			t.Errorf("Parse(%s)\nevent %d: conversation: got %s, want %s", body, i, got, key)
		}
		tells := want.whatTells()
		if other, taken := toldOf[id]; taken && other != tells {
			t.Errorf("Parse(%s)\nid %s: got it for both, want two\n%s\n%s", body, id, other, tells)
		}
		if other, taken := idOf[tells]; taken && other != id && !want.counted() {
			t.Errorf("Parse(%s)\nids of %s: got %s and %s, want one", body, tells, other, id)
		}
		toldOf[id], idOf[tells] = tells, id
	}
}

// compactAll summarizes events and takes the white space out of their data.
func compactAll(t testing.TB, events []event.Event) []summary {
	t.Helper()
	all := summarizeAll(events)
	for i := range all {
		if all[i].data == "" {
			continue
		}
		var b bytes.Buffer
		if err := json.Compact(&b, []byte(all[i].data)); err != nil {
			t.Fatalf("data %s: %v", all[i].data, err)
		}
		all[i].data = b.String()
	}
	return all
}
