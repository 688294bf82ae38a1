package scrape

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func selector(t *testing.T, text string) Selector {
	t.Helper()
	var s Selector
	require.NoError(t, s.UnmarshalText([]byte(text)))
	return s
}

func TestSelector(t *testing.T) {
	for text, want := range map[string]Selector{
		"up":                      {name: "up"},
		" up ":                    {name: "up"},
		"up{}":                    {name: "up"},
		"a:b_c":                   {name: "a:b_c"},
		`x{name="web"}`:           {name: "x", labels: []label{{"name", "web"}}},
		`x{ a = "1" , b = "2", }`: {name: "x", labels: []label{{"a", "1"}, {"b", "2"}}},
		`x{a="\"\\ {},="}`:        {name: "x", labels: []label{{"a", `"\ {},=`}}},
		`x{a="ü"}`:                {name: "x", labels: []label{{"a", "ü"}}},
		`x{le="1"}`:               {name: "x", labels: []label{{"le", "1"}}},
		`x{"a.b"="c"}`:            {name: "x", labels: []label{{"a.b", "c"}}},
		`{"x","a"="c"}`:           {name: "x", labels: []label{{"a", "c"}}},
	} {
		s := selector(t, text)
		assert.Equal(t, want, s, text)
		assert.Equal(t, s, selector(t, s.String()), "its text is read again")
		assert.False(t, s.IsZero())
	}
	assert.True(t, Selector{}.IsZero())
	for _, text := range []string{
		"", " ", "a b", "up 5", "up 5 6", "{}", "1x", "x{", "x}", "x{a}", "x{a=b}", `x{a="b"`, `x{a!="b"}`, `x{a=~"b"}`, `x{a="b"} 5`, `x{a="b"} y`,
		`x{a="b",a="c"}`, "# x", "x # y", `{"a.b"}`, "a.b", "x\ny", "x\n", "x{a=\"\x1b\"}", "x{a=\"\xff\"}", strings.Repeat("x", 1001), "rate(x[5m])", `"0"`, `{"0"}`,
	} {
		var s Selector
		assert.EqualError(t, s.UnmarshalText([]byte(text)), `expected a metric, with labels as in container_memory_rss{name="web"} if it has several series`, text)
		assert.True(t, s.IsZero(), text)
	}
}

func FuzzSelector(f *testing.F) {
	f.Add(`x{a="b",c="\"\\"}`)
	f.Add(`"0"`)
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Selector
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again.String() != s.String() {
			t.Fatalf("%q is %q, and that is %q: %v", text, s.String(), again.String(), err)
		}
	})
}
