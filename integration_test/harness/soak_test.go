package harness

import "testing"

func TestGrowthIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   bool
	}{
		"flat":                   {[]float64{10, 10, 10, 10, 10, 10, 10, 10, 10}, false},
		"a steady leak":          {[]float64{10, 20, 30, 40, 50, 60, 70, 80, 90}, true},
		"a warm-up":              {[]float64{1, 50, 90, 100, 100, 100, 100, 100, 100}, false},
		"peaks":                  {[]float64{10, 10, 10, 10, 10, 10, 10, 99, 10}, false},
		"within a fifth":         {[]float64{10, 10, 10, 100, 100, 100, 119, 119, 119}, false},
		"small, within slack":    {[]float64{1, 1, 1, 1, 1, 1, 3, 3, 3}, false},
		"over a fifth and slack": {[]float64{10, 10, 10, 100, 100, 100, 123, 123, 123}, true},
	} {
		if _, _, got := growth(c.values, 2); got != c.want {
			t.Errorf("%s: got growth: %v, want %v", name, got, c.want)
		}
	}
}
