package event_test

import "testing"

func TestNotificationShapes(t *testing.T) {
	t.Parallel()
	const at = "2020-09-13T12:26:40Z" // 1600000000
	photos := summary{object: "user", entry: "1", uid: "2", kind: "photos", field: "photos", time: at, data: `{"verb":"update"}`}
	testShapes(t, []shape{
		{
			"an object",
			`{"object":"user","entry":[{"id":"1","uid":"2","time":1600000000,"changes":[{"field":"photos","value":{"verb":"update"}}]}]}`,
			[]summary{photos},
		},
		{
			"entry members after the lists, object after entry",
			`{"entry":[{"changes":[{"value":{"verb":"update"},"field":"photos"}],"time":1600000000,"uid":"2","id":"1"}],"object":"user"}`,
			[]summary{photos},
		},
		{
			"one entry that is an object",
			`{"object":"user","entry":{"id":"1","uid":"2","time":1600000000,"changes":[{"field":"photos","value":{"verb":"update"}}]}}`,
			[]summary{photos},
		},
		{
			"an array of objects",
			`[{"object":"user","entry":[{"id":"1","uid":"2","time":1600000000,"changes":[{"field":"photos","value":{"verb":"update"}}]}]},` +
				`{"entry":[{"id":"9","changed_fields":["feed"]}],"object":"page"}]`,
			[]summary{photos, {object: "page", entry: "9", kind: "feed", field: "feed"}},
		},
		{
			"names in other words",
			`{"\u006fbject":"us\u0065r","entr\u0079":[{"\u0069d":"\u0031","uid":2,"time":"1600000000","chan\u0067es":[{"fi\u0065ld":"phot\u006fs","v\u0061lue":{"verb":"update"}}]}]}`,
			[]summary{photos},
		},
		{
			"several entries, each with its own",
			`{"object":"page","entry":[{"id":1,"time":1600000000,"changed_fields":["a"]},{"changed_fields":["b"]},{"uid":"3","changed_fields":["c"]}]}`,
			[]summary{
				{object: "page", entry: "1", kind: "a", field: "a", time: at},
				{object: "page", kind: "b", field: "b"},
				{object: "page", uid: "3", kind: "c", field: "c"},
			},
		},
		{
			"values beside entry are not Threads'",
			`{"object":"page","values":{"field":"x","value":1},"target_id":"7","entry":[{"id":"1","changed_fields":["a"]}]}`,
			[]summary{
				{object: "page", entry: "1", kind: "a", field: "a"},
				{object: "page", kind: "unrecognized", data: `{"values":{"field":"x","value":1},"target_id":"7"}`},
			},
		},
		{"an array without notifications", `[]`, nil},
		{"an array of notifications without updates", `[{"object":"page","entry":[]},{"object":"page","entry":[]}]`, nil},
		{"no entry in the list", `{"object":"page","entry":[]}`, nil},
	})
}

func TestThreadsValuesGiveOneEventEach(t *testing.T) {
	t.Parallel()
	const at = "2020-09-13T12:26:40Z"
	reply := summary{object: "threads", entry: "7", kind: "replies", field: "replies", subject: "r", time: at, data: `{"id":"r"}`}
	second := summary{object: "threads", entry: "7", kind: "mentions", field: "mentions", time: at, data: `2`}
	testShapes(t, []shape{
		{
			"one value",
			`{"app_id":"5","topic":"moderate","target_id":"7","time":1600000000,"values":{"field":"replies","value":{"id":"r"}}}`,
			[]summary{reply},
		},
		{
			"an array of values",
			`{"app_id":"5","topic":"moderate","target_id":"7","time":1600000000,"values":[{"field":"replies","value":{"id":"r"}},{"value":2,"field":"mentions"}]}`,
			[]summary{reply, second},
		},
		{
			"target_id and time after values",
			`{"values":[{"value":{"id":"r"},"field":"replies"}],"time":1600000000,"subscription_id":"6","target_id":"7","app_id":"5"}`,
			[]summary{reply},
		},
		{
			"target_id as a number, time in milliseconds",
			`{"target_id":7,"time":"1600000000000","values":{"field":"replies","value":{"id":"r"}}}`,
			[]summary{reply},
		},
		{"no value", `{"target_id":"7","time":1600000000,"values":[]}`, nil},
		{
			"an array of notifications",
			`[{"target_id":"7","time":1600000000,"values":{"field":"replies","value":{"id":"r"}}},{"target_id":"8","values":{"field":"replies","value":1}}]`,
			[]summary{reply, {object: "threads", entry: "8", kind: "replies", field: "replies", data: `1`}},
		},
		{
			"something else where a value is expected",
			`{"target_id":"7","time":1600000000,"values":[3,{"field":"replies","value":{"id":"r"}},null]}`,
			[]summary{
				{object: "threads", entry: "7", kind: "unrecognized", time: at, data: `3`},
				reply,
				{object: "threads", entry: "7", kind: "unrecognized", time: at, data: `null`},
			},
		},
		{
			"a value without a field",
			`{"target_id":"7","time":1600000000,"values":{"value":{"a":1}}}`,
			[]summary{{object: "threads", entry: "7", kind: "unrecognized", time: at, data: `{"a":1}`}},
		},
	})
}

func TestAnyOtherJSONIsOneUnrecognizedEvent(t *testing.T) {
	t.Parallel()
	unknown := func(body string) []summary {
		return []summary{{object: "unknown", kind: "unrecognized", data: body}}
	}
	var shapes []shape
	for _, body := range []string{
		`{}`, `{"a":1}`, `null`, `true`, `0`, `-1e400`, `"text"`, `""`, `{ "sample" : { "field" : "x" } }`,
		`{"entry":1}`, `{"entry":null}`, `{"entry":"x"}`,
		`{"values":[{"field":"a","value":1}]}`,                  // no target_id
		`{"values":[{"field":"a","value":1}],"target_id":null}`, // none either
		`{"target_id":"1","values":"x"}`,
		`{"target_id":"1","values":null}`,
	} {
		shapes = append(shapes, shape{body, body, unknown(body)})
	}
	testShapes(t, append(shapes,
		shape{"white space around it goes", " {\"a\": 1}\n", unknown(`{"a": 1}`)},
		shape{
			"it may name an object", `{"object":"page","foo":[1]}`,
			[]summary{{object: "page", kind: "unrecognized", data: `{"object":"page","foo":[1]}`}},
		},
		shape{
			"an entry that is neither an array nor an object", `{"entry":7,"object":"page"}`,
			[]summary{{object: "page", kind: "unrecognized", data: `{"entry":7,"object":"page"}`}},
		},
		shape{
			"among others in an array", `[{"object":"page","x":1},{"object":"page","entry":{"id":"1","changed_fields":["a"]}}]`,
			[]summary{
				{object: "page", kind: "unrecognized", data: `{"object":"page","x":1}`},
				{object: "page", entry: "1", kind: "a", field: "a"},
			},
		},
	))
}

func TestObjectReadsUnknownWhereThereIsNone(t *testing.T) {
	t.Parallel()
	want := []summary{{object: "unknown", entry: "1", kind: "a", field: "a"}}
	var shapes []shape
	for _, object := range []string{``, `"object":"",`, `"object":null,`, `"object":5,`, `"object":{"a":1},`, `"object":["page"],`, `"object":true,`} {
		body := `{` + object + `"entry":[{"id":"1","changed_fields":["a"]}]}`
		shapes = append(shapes, shape{body, body, want})
	}
	testShapes(t, shapes)
}

func TestChangesGiveOneEventEach(t *testing.T) {
	t.Parallel()
	const at = "2020-09-13T12:26:40Z"
	entry := func(changes string) string {
		return `{"object":"page","entry":[{"id":"1","time":1600000000,"changes":` + changes + `}]}`
	}
	change := func(field, subject, data string) summary {
		return summary{object: "page", entry: "1", kind: field, field: field, subject: subject, time: at, data: data}
	}
	unrecognized := func(field, data string) summary {
		return summary{object: "page", entry: "1", kind: "unrecognized", field: field, time: at, data: data}
	}
	testShapes(t, []shape{
		{"one", entry(`[{"field":"feed","value":{"item":"post"}}]`), []summary{change("feed", "", `{"item":"post"}`)}},
		{
			"several in order, equal ones too",
			entry(`[{"field":"b","value":1},{"field":"a","value":2},{"field":"b","value":1}]`),
			[]summary{change("b", "", `1`), change("a", "", `2`), change("b", "", `1`)},
		},
		{"none", entry(`[]`), nil},
		{"a value that is a string", entry(`[{"field":"name","value":"New"}]`), []summary{change("name", "", `"New"`)}},
		{"a value that is a list", entry(`[{"field":"likes","value":[{"id":"1"}, 2]}]`), []summary{change("likes", "", `[{"id":"1"}, 2]`)}},
		{"a value that is null", entry(`[{"field":"likes","value":null}]`), []summary{change("likes", "", `null`)}},
		{"no value, no data", entry(`[{"field":"likes"}]`), []summary{change("likes", "", "")}},
		{"the value before the field", entry(`[{"value":{"a":1},"field":"feed"}]`), []summary{change("feed", "", `{"a":1}`)}},
		{"a messaging field", entry(`[{"field":"messages","value":{"message":{"mid":"m"}}}]`), []summary{change("messages", "m", `{"message":{"mid":"m"}}`)}},
		{"leadgen", entry(`[{"field":"leadgen","value":{"leadgen_id":55,"form_id":1}}]`), []summary{change("leadgen", "55", `{"leadgen_id":55,"form_id":1}`)}},
		{"a comment of a post", entry(`[{"field":"feed","value":{"post_id":"1_2","comment_id":"1_3"}}]`), []summary{change("feed", "1_3", `{"post_id":"1_2","comment_id":"1_3"}`)}},
		{"a post", entry(`[{"field":"feed","value":{"post_id":"1_2"}}]`), []summary{change("feed", "1_2", `{"post_id":"1_2"}`)}},
		{"a value with an id", entry(`[{"field":"mention","value":{"id":"4"}}]`), []summary{change("mention", "4", `{"id":"4"}`)}},
		{"an id that says nothing is no subject", entry(`[{"field":"mention","value":{"id":null,"comment_id":""}}]`), []summary{change("mention", "", `{"id":null,"comment_id":""}`)}},
		{"no field", entry(`[{"value":{"a":1}}]`), []summary{unrecognized("", `{"a":1}`)}},
		{"an empty field", entry(`[{"field":"","value":{"a":1}}]`), []summary{unrecognized("", `{"a":1}`)}},
		{"a field that is null", entry(`[{"field":null,"value":{"a":1}}]`), []summary{unrecognized("", `{"a":1}`)}},
		{"a field that is an object", entry(`[{"field":{},"value":{"a":1}}]`), []summary{unrecognized("", `{"a":1}`)}},
		{"a field that is a number", entry(`[{"field":5,"value":{"a":1}}]`), []summary{unrecognized("5", `{"a":1}`)}},
		{"an empty change", entry(`[{}]`), []summary{unrecognized("", "")}},
		{
			"something else where a change is expected",
			entry(`[1,"feed",null,[{"field":"feed"}],{"field":"feed","value":1}]`),
			[]summary{
				unrecognized("", `1`), unrecognized("", `"feed"`), unrecognized("", `null`),
				unrecognized("", `[{"field":"feed"}]`), change("feed", "", `1`),
			},
		},
		{
			"the time of the value", entry(`[{"field":"a","value":{"timestamp":"1600000001"}}]`),
			[]summary{{object: "page", entry: "1", kind: "a", field: "a", time: "2020-09-13T12:26:41Z", data: `{"timestamp":"1600000001"}`}},
		},
	})
}

func TestFlatFieldAndValueGiveOneEvent(t *testing.T) {
	t.Parallel()
	testShapes(t, []shape{
		{
			"field and value",
			`{"object":"instagram","entry":[{"id":"1","time":1600000000,"field":"comments","value":{"id":"c","text":"hi"}}]}`,
			[]summary{{object: "instagram", entry: "1", kind: "comments", field: "comments", subject: "c", time: "2020-09-13T12:26:40Z", data: `{"id":"c","text":"hi"}`}},
		},
		{
			"value before field, id and time behind, in an array of notifications",
			`[{"entry":[{"value":{"id":"c"},"field":"comments","time":1600000000,"id":"1"}],"object":"instagram"}]`,
			[]summary{{object: "instagram", entry: "1", kind: "comments", field: "comments", subject: "c", time: "2020-09-13T12:26:40Z", data: `{"id":"c"}`}},
		},
		{
			"beside a list",
			`{"object":"instagram","entry":[{"id":"1","changes":[{"field":"a","value":{"id":"x"}}],"field":"b","value":{"id":"y"}}]}`,
			[]summary{
				{object: "instagram", entry: "1", kind: "a", field: "a", subject: "x", data: `{"id":"x"}`},
				{object: "instagram", entry: "1", kind: "b", field: "b", subject: "y", data: `{"id":"y"}`},
			},
		},
		{
			"a field without a value",
			`{"object":"instagram","entry":[{"id":"1","field":"a"}]}`,
			[]summary{{object: "instagram", entry: "1", kind: "unrecognized", data: `{"id":"1","field":"a"}`}},
		},
		{
			"a value without a field",
			`{"object":"instagram","entry":[{"id":"1","value":{"a":1}}]}`,
			[]summary{{object: "instagram", entry: "1", kind: "unrecognized", data: `{"id":"1","value":{"a":1}}`}},
		},
	})
}

func TestChangedFieldsGiveOneEventEach(t *testing.T) {
	t.Parallel()
	const at = "2020-09-13T12:26:40Z"
	entry := func(fields string) string {
		return `{"object":"user","entry":[{"uid":5,"time":1600000000,"changed_fields":` + fields + `}]}`
	}
	name := func(name string) summary {
		return summary{object: "user", uid: "5", kind: name, field: name, time: at}
	}
	unrecognized := func(data string) summary {
		return summary{object: "user", uid: "5", kind: "unrecognized", time: at, data: data}
	}
	testShapes(t, []shape{
		{"one", entry(`["photos"]`), []summary{name("photos")}},
		{"several in order", entry(`["photos","feed","photos"]`), []summary{name("photos"), name("feed"), name("photos")}},
		{"none", entry(`[]`), nil},
		{
			"something else where a name is expected", entry(`["",7,null,{"field":"photos"},["photos"],"feed"]`),
			[]summary{
				unrecognized(`""`), unrecognized(`7`), unrecognized(`null`),
				unrecognized(`{"field":"photos"}`), unrecognized(`["photos"]`), name("feed"),
			},
		},
	})
}

func TestEntriesThatAreNotRecognizedGiveOneEvent(t *testing.T) {
	t.Parallel()
	testShapes(t, []shape{
		{
			"nothing the contract names",
			`{"object":"page","entry":[{"id":"1","time":1600000000,"novelty":[{"a":1}]}]}`,
			[]summary{{object: "page", entry: "1", kind: "unrecognized", time: "2020-09-13T12:26:40Z", data: `{"id":"1","time":1600000000,"novelty":[{"a":1}]}`}},
		},
		{
			"an empty entry", `{"object":"page","entry":[{}]}`,
			[]summary{{object: "page", kind: "unrecognized", data: `{}`}},
		},
		{
			"an empty entry that stands alone", `{"object":"page","entry":{}}`,
			[]summary{{object: "page", kind: "unrecognized", data: `{}`}},
		},
		{
			"no list where one is expected", `{"object":"page","entry":[{"id":"1","changes":{"field":"a","value":1}}]}`,
			[]summary{{object: "page", entry: "1", kind: "unrecognized", data: `{"id":"1","changes":{"field":"a","value":1}}`}},
		},
		{
			"no list among lists", `{"object":"page","entry":[{"id":"1","messaging":{"x":1},"changes":[{"field":"a","value":1}]}]}`,
			[]summary{
				{object: "page", entry: "1", kind: "a", field: "a", data: `1`},
				{object: "page", entry: "1", kind: "unrecognized", data: `{"messaging":{"x":1}}`},
			},
		},
		{
			"something else where an entry is expected",
			`{"object":"page","entry":[1,null,"x",[{"id":"1","changed_fields":["a"]}],{"id":"2","changed_fields":["a"]}]}`,
			[]summary{
				{object: "page", kind: "unrecognized", data: `1`},
				{object: "page", kind: "unrecognized", data: `null`},
				{object: "page", kind: "unrecognized", data: `"x"`},
				{object: "page", kind: "unrecognized", data: `[{"id":"1","changed_fields":["a"]}]`},
				{object: "page", entry: "2", kind: "a", field: "a"},
			},
		},
	})
}

func TestListsComeInTheOrderOfTheEntry(t *testing.T) {
	t.Parallel()
	update := func(kind, data string) summary {
		return summary{object: "page", entry: "1", kind: kind, field: kind, data: data}
	}
	testShapes(t, []shape{
		{
			"changes, messaging, standby, changed_fields",
			`{"object":"page","entry":[{"id":"1","changes":[{"field":"c","value":1}],"messaging":[{"m":1}],"standby":[{"s":1}],"changed_fields":["f"]}]}`,
			[]summary{update("c", `1`), update("messaging", `{"m":1}`), update("standby", `{"s":1}`), update("f", "")},
		},
		{
			"the other way round",
			`{"object":"page","entry":[{"changed_fields":["f"],"standby":[{"s":1}],"messaging":[{"m":1}],"changes":[{"field":"c","value":1}],"id":"1"}]}`,
			[]summary{update("f", ""), update("standby", `{"s":1}`), update("messaging", `{"m":1}`), update("c", `1`)},
		},
		{
			"empty lists among them",
			`{"object":"page","entry":[{"id":"1","changes":[],"messaging":[{"m":1}],"standby":[]}]}`,
			[]summary{update("messaging", `{"m":1}`)},
		},
	})
}
