package event_test

import (
	"fmt"
	"strings"
	"testing"
)

// whatsApp makes a notification of WhatsApp with one change.
func whatsApp(value string) string {
	return `{"object":"whatsapp_business_account","entry":[{"id":"9","changes":[{"field":"messages","value":` + value + `}]}]}`
}

func fromWhatsApp(kind, subject, data string) summary {
	return summary{object: "whatsapp_business_account", entry: "9", kind: kind, field: "messages", subject: subject, data: data}
}

func TestWhatsAppElementsGiveOneEventEach(t *testing.T) {
	t.Parallel()
	var shapes []shape
	for _, array := range []string{
		"messages", "statuses", "errors", "calls", "groups",
		"message_echoes", "state_sync", "user_preferences", "user_id_update",
	} {
		value := `{"messaging_product":"whatsapp","metadata":{"phone_number_id":"5"},"contacts":[{"wa_id":"1"},{"wa_id":"2"}],"` + array + `":[%s],"more":[1]}`
		element := func(e string) string { return fmt.Sprintf(value, e) }
		shapes = append(shapes,
			shape{
				array + ": one element", whatsApp(element(`{"id":"a"}`)),
				[]summary{fromWhatsApp(array, "a", element(`{"id":"a"}`))},
			},
			shape{
				array + ": several elements", whatsApp(element(`{"id":"a","x":[{}]},{"id":"b"},{"y":null}`)),
				[]summary{
					fromWhatsApp(array, "a", element(`{"id":"a","x":[{}]}`)),
					fromWhatsApp(array, "b", element(`{"id":"b"}`)),
					fromWhatsApp(array, "", element(`{"y":null}`)),
				},
			},
			shape{
				array + ": no element", whatsApp(element(``)),
				[]summary{fromWhatsApp("messages", "", element(``))},
			},
			shape{
				array + ": an element that is no object", whatsApp(element(`{"id":"a"},1`)),
				[]summary{fromWhatsApp("messages", "", element(`{"id":"a"},1`))},
			},
			shape{
				array + ": no array", whatsApp(`{"` + array + `":{"id":"a"}}`),
				[]summary{fromWhatsApp("messages", "", `{"`+array+`":{"id":"a"}}`)},
			},
			shape{
				array + ": another object", strings.Replace(whatsApp(element(`{},{}`)), "whatsapp_business_account", "page", 1),
				[]summary{{object: "page", entry: "9", kind: "messages", field: "messages", data: element(`{},{}`)}},
			},
		)
	}
	testShapes(t, shapes)
}

func TestWhatsAppArraysOfOneValueAreTakenApart(t *testing.T) {
	t.Parallel()
	testShapes(t, []shape{
		{
			"two arrays in the order of the value",
			whatsApp(`{"a":1,"statuses":[{"id":"s1"},{"id":"s2"}],"b":2,"messages":[{"id":"m"}],"c":3}`),
			[]summary{
				fromWhatsApp("statuses", "s1", `{"a":1,"statuses":[{"id":"s1"}],"b":2,"c":3}`),
				fromWhatsApp("statuses", "s2", `{"a":1,"statuses":[{"id":"s2"}],"b":2,"c":3}`),
				fromWhatsApp("messages", "m", `{"a":1,"b":2,"messages":[{"id":"m"}],"c":3}`),
			},
		},
		{
			"arrays and nothing else",
			whatsApp(`{"messages":[{"id":"m"}],"calls":[{"id":"c"}],"groups":[{"id":"g"}]}`),
			[]summary{
				fromWhatsApp("messages", "m", `{"messages":[{"id":"m"}]}`),
				fromWhatsApp("calls", "c", `{"calls":[{"id":"c"}]}`),
				fromWhatsApp("groups", "g", `{"groups":[{"id":"g"}]}`),
			},
		},
		{
			"errors beside another array stay whole",
			whatsApp(`{"errors":[{"code":1},{"code":2}],"messages":[{"id":"m"},{"id":"n"}]}`),
			[]summary{
				fromWhatsApp("messages", "m", `{"errors":[{"code":1},{"code":2}],"messages":[{"id":"m"}]}`),
				fromWhatsApp("messages", "n", `{"errors":[{"code":1},{"code":2}],"messages":[{"id":"n"}]}`),
			},
		},
		{
			"errors beside two other arrays stay whole in each",
			whatsApp(`{"messages":[{"id":"m"}],"errors":[{"code":1}],"statuses":[{"id":"s"}]}`),
			[]summary{
				fromWhatsApp("messages", "m", `{"messages":[{"id":"m"}],"errors":[{"code":1}]}`),
				fromWhatsApp("statuses", "s", `{"errors":[{"code":1}],"statuses":[{"id":"s"}]}`),
			},
		},
		{
			"errors beside an empty array stand alone",
			whatsApp(`{"messages":[],"errors":[{"code":1},{"code":2}]}`),
			[]summary{
				fromWhatsApp("errors", "", `{"messages":[],"errors":[{"code":1}]}`),
				fromWhatsApp("errors", "", `{"messages":[],"errors":[{"code":2}]}`),
			},
		},
		{
			"an array with something else in it stays whole beside another",
			whatsApp(`{"messages":[{"id":"m"},7],"statuses":[{"id":"s"},{"id":"t"}],"calls":[{"id":"c"}]}`),
			[]summary{
				fromWhatsApp("statuses", "s", `{"messages":[{"id":"m"},7],"statuses":[{"id":"s"}]}`),
				fromWhatsApp("statuses", "t", `{"messages":[{"id":"m"},7],"statuses":[{"id":"t"}]}`),
				fromWhatsApp("calls", "c", `{"messages":[{"id":"m"},7],"calls":[{"id":"c"}]}`),
			},
		},
		{
			"errors of an element are its own",
			whatsApp(`{"statuses":[{"id":"s","errors":[{"code":1},{"code":2}]}]}`),
			[]summary{fromWhatsApp("statuses", "s", `{"statuses":[{"id":"s","errors":[{"code":1},{"code":2}]}]}`)},
		},
		{
			"an array deeper down stays",
			whatsApp(`{"history":[{"threads":[{"messages":[{"id":"m"},{"id":"n"}]}]}],"metadata":{"messages":[{},{}]}}`),
			[]summary{fromWhatsApp("messages", "", `{"history":[{"threads":[{"messages":[{"id":"m"},{"id":"n"}]}]}],"metadata":{"messages":[{},{}]}}`)},
		},
		{
			"white space in one array",
			whatsApp("{ \"a\" : 1 ,\n\"messages\" : [ {\"id\" : \"m\"} , { \"id\":\"n\" } ] , \"b\" : 2 }"),
			[]summary{
				fromWhatsApp("messages", "m", "{ \"a\" : 1 ,\n\"messages\" : [ {\"id\" : \"m\"} ] , \"b\" : 2 }"),
				fromWhatsApp("messages", "n", "{ \"a\" : 1 ,\n\"messages\" : [ { \"id\":\"n\" } ] , \"b\" : 2 }"),
			},
		},
		{
			"white space in two arrays",
			whatsApp("{ \"a\" : { \"x\" : 1 } ,\n\"messages\" : [ {\"id\" : \"m\"} ] , \"statuses\" : [ { \"id\":\"s\" } ] }"),
			[]summary{
				fromWhatsApp("messages", "m", `{"a":{ "x" : 1 },"messages":[{"id" : "m"}]}`),
				fromWhatsApp("statuses", "s", `{"a":{ "x" : 1 },"statuses":[{ "id":"s" }]}`),
			},
		},
		{"an empty value", whatsApp(`{}`), []summary{fromWhatsApp("messages", "", `{}`)}},
		{"a value that is no object", whatsApp(`[{"messages":[{},{}]}]`), []summary{fromWhatsApp("messages", "", `[{"messages":[{},{}]}]`)}},
	})
}

func TestWhatsAppElementsHaveTheirOwnTime(t *testing.T) {
	t.Parallel()
	of := func(id, time string) summary {
		s := fromWhatsApp("messages", id, `{"timestamp":"1500000000","messages":[{"id":"`+id+`"}]}`)
		if id == "m" {
			s.data = `{"timestamp":"1500000000","messages":[{"id":"m","timestamp":"1600000001"}]}`
		}
		s.time = time
		return s
	}
	testShapes(t, []shape{{
		"an element without one has the entry's",
		`{"object":"whatsapp_business_account","entry":[{"id":"9","time":1600000000,"changes":[{"field":"messages","value":{"timestamp":"1500000000","messages":[{"id":"m","timestamp":"1600000001"},{"id":"n"}]}}]}]}`,
		[]summary{of("m", "2020-09-13T12:26:41Z"), of("n", "2020-09-13T12:26:40Z")},
	}})
}

func TestWhatsAppObjectMayComeAfterEntry(t *testing.T) {
	t.Parallel()
	testShapes(t, []shape{{
		"object behind, field behind",
		`{"entry":[{"changes":[{"value":{"messages":[{"id":"m"},{"id":"n"}]},"field":"messages"}],"id":"9"}],"object":"whatsapp_business_account"}`,
		[]summary{
			fromWhatsApp("messages", "m", `{"messages":[{"id":"m"}]}`),
			fromWhatsApp("messages", "n", `{"messages":[{"id":"n"}]}`),
		},
	}})
}

func TestWhatsAppFieldStaysTheChanges(t *testing.T) {
	t.Parallel()
	testShapes(t, []shape{
		{
			"echoes",
			`{"object":"whatsapp_business_account","entry":[{"id":"9","changes":[{"field":"smb_message_echoes","value":{"message_echoes":[{"id":"e"}]}}]}]}`,
			[]summary{{object: "whatsapp_business_account", entry: "9", kind: "message_echoes", field: "smb_message_echoes", subject: "e", data: `{"message_echoes":[{"id":"e"}]}`}},
		},
		{
			"no field",
			`{"object":"whatsapp_business_account","entry":[{"id":"9","changes":[{"value":{"messages":[{"id":"a"},{"id":"b"}]}}]}]}`,
			[]summary{{object: "whatsapp_business_account", entry: "9", kind: "unrecognized", data: `{"messages":[{"id":"a"},{"id":"b"}]}`}},
		},
	})
}

// An array's name may be written with escapes, like any other.
func TestWhatsAppArrayNamesInOtherWords(t *testing.T) {
	t.Parallel()
	tests := []shape{
		{
			"one array", whatsApp(`{"mess\u0061ges":[{"id":"m"},{"id":"n"}]}`),
			[]summary{
				fromWhatsApp("messages", "m", `{"mess\u0061ges":[{"id":"m"}]}`),
				fromWhatsApp("messages", "n", `{"mess\u0061ges":[{"id":"n"}]}`),
			},
		},
		{
			"first of two arrays", whatsApp(`{"mess\u0061ges":[{"id":"m"}],"statuses":[{"id":"s"}]}`),
			[]summary{
				fromWhatsApp("messages", "m", `{"mess\u0061ges":[{"id":"m"}]}`),
				fromWhatsApp("statuses", "s", `{"statuses":[{"id":"s"}]}`),
			},
		},
		{
			"second of two arrays", whatsApp(`{"messages":[{"id":"m"}],"a":1,"st\u0061tuses":[{"id":"s"}],"b":2}`),
			[]summary{
				fromWhatsApp("messages", "m", `{"messages":[{"id":"m"}],"a":1,"b":2}`),
				fromWhatsApp("statuses", "s", `{"a":1,"st\u0061tuses":[{"id":"s"}],"b":2}`),
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := summarizeAll(parse(t, tt.body))
			if lines(got) != lines(tt.want) {
				t.Errorf("Parse(%s)\ngot%s\nwant%s", tt.body, lines(got), lines(tt.want))
			}
		})
	}
}
