package exporter

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const siteGrowth = "leaklab_site_growth_bytes_per_request"

func TestGrowthBySite(t *testing.T) {
	e := newExporter(9)
	assert.Empty(t, series(t, e, siteGrowth))
	e.SetSites([]Site{
		{Name: "JavaLeak.register line 9: int[]", Growth: 104, Lower: 103.5, Upper: 104.5}, {Name: "java.util.HashMap$Node", Growth: 32, Lower: 31, Upper: 33},
		{Name: "third", Growth: 3, Lower: 2, Upper: 4}, {Name: "fourth", Growth: 2, Lower: 1, Upper: 3},
	})
	shown := series(t, e, siteGrowth)
	assert.Len(t, shown, 9, "three sites with three bounds")
	assert.Equal(t, 104.0, shown[`{bound="estimate",site="JavaLeak.register line 9: int[]"}`])
	assert.Equal(t, 31.0, shown[`{bound="lower",site="java.util.HashMap$Node"}`])
	assert.Equal(t, 4.0, shown[`{bound="upper",site="third"}`])

	e.SetSites(nil)
	assert.Empty(t, series(t, e, siteGrowth))
}

// A server chooses the names of its functions and classes: a label is short and printable, whatever they are, and never
// there twice.
func TestNamesOfSitesAreBounded(t *testing.T) {
	e := newExporter(9)
	long := strings.Repeat("é", 200)
	e.SetSites([]Site{{Name: "a\x1b[2J\n\x9b\u202eb \xff\""}, {Name: long + "1"}, {Name: long + "2"}, {Name: "c"}})
	problems, err := testutil.CollectAndLint(e)
	require.NoError(t, err)
	assert.Empty(t, problems)
	shown := series(t, e, siteGrowth)
	require.Len(t, shown, 9)
	assert.Contains(t, shown, fmt.Sprintf(`{bound="lower",site=%q}`, `a\x1b[2J \x9b\u202eb \xff"`))
	label := strings.Repeat("é", 119) + "…"
	assert.Equal(t, 120, utf8.RuneCountInString(label))
	assert.Contains(t, shown, fmt.Sprintf(`{bound="lower",site="%s"}`, label))
	assert.Contains(t, shown, `{bound="lower",site="c"}`)
}
