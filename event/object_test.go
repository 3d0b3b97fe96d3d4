package event_test

import "testing"

func TestOldVerbChangesKeepAllMembersButField(t *testing.T) {
	t.Parallel()
	entry := func(change string) string {
		return `{"object":"user","entry":[{"id":"1","uid":"1","time":1600000000,"changes":[` + change + `]}]}`
	}
	want := func(field, data string) []summary {
		return []summary{{
			object: "user", entry: "1", uid: "1", kind: field, field: field,
			time: "2020-09-13T12:26:40Z", data: data,
		}}
	}
	testShapes(t, []shape{
		{"verb and value", entry(`{"field":"status","verb":"update","value":"hi"}`), want("status", `{"verb":"update","value":"hi"}`)},
		{"verb alone", entry(`{"field":"status","verb":"update"}`), want("status", `{"verb":"update"}`)},
		{"field in the middle", entry(`{"verb":"add","field":"status","id":"5"}`), want("status", `{"verb":"add","id":"5"}`)},
		{"field at the end", entry(`{"value":[1, 2],"verb":"add","field":"status"}`), want("status", `{"value":[1, 2],"verb":"add"}`)},
		{"field in other words", entry(`{"verb":"add","f\u0069eld":"status"}`), want("status", `{"verb":"add"}`)},
		{"names keep their escapes", entry(`{"field":"status","v\u0065rb":"a\u00e4"}`), want("status", `{"v\u0065rb":"a\u00e4"}`)},
		{"white space around members goes", entry("{ \"field\" : \"status\" ,\n \"verb\" : \"add\" , \"value\" : { \"a\" : 1 } }"), want("status", `{"verb":"add","value":{ "a" : 1 }}`)},
		{"a member named field deeper down stays", entry(`{"field":"status","verb":{"field":"x"}}`), want("status", `{"verb":{"field":"x"}}`)},
		{"value null", entry(`{"field":"status","verb":null,"value":null}`), want("status", `{"verb":null,"value":null}`)},
		{
			"field is no name", entry(`{"field":"","verb":"add","value":1}`),
			[]summary{{object: "user", entry: "1", uid: "1", kind: "unrecognized", time: "2020-09-13T12:26:40Z", data: `{"verb":"add","value":1}`}},
		},
		{
			"no field", entry(`{"verb":"add","value":1}`),
			[]summary{{object: "user", entry: "1", uid: "1", kind: "unrecognized", time: "2020-09-13T12:26:40Z", data: `{"verb":"add","value":1}`}},
		},
		{
			"subject and time come from the value", entry(`{"field":"feed","verb":"add","value":{"comment_id":"c","timestamp":1600000001}}`),
			[]summary{{
				object: "user", entry: "1", uid: "1", kind: "feed", field: "feed", subject: "c",
				time: "2020-09-13T12:26:41Z", data: `{"verb":"add","value":{"comment_id":"c","timestamp":1600000001}}`,
			}},
		},
	})
}
