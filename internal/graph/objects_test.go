package graph

import (
	"slices"
	"testing"
)

func TestObjectsAndFieldsAreSorted(t *testing.T) {
	all := Objects()
	if !slices.IsSorted(all) || !slices.Contains(all, "whatsapp_business_account") {
		t.Errorf("got %v, want all objects, sorted", all)
	}
	if slices.Contains(all, "instagram") {
		t.Errorf("got instagram among %v, want it left out", all)
	}
	for object := range objects {
		fields := Fields(object)
		if !slices.IsSorted(fields) || len(slices.Compact(fields)) != len(Fields(object)) {
			t.Errorf("%s: got %v, want each field once, sorted", object, fields)
		}
	}
	if got := Fields("threads"); !slices.Equal(got, []string{"delete", "mentions", "publish", "replies"}) {
		t.Errorf("got %v for threads", got)
	}
	if got := Fields("pigeon"); len(got) != 0 {
		t.Errorf("got %v for an unknown object, want none", got)
	}
}
