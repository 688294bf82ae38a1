package external

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPlaceholders(t *testing.T) {
	words := []string{"{duration}", "-d{seconds}s", "{workers}", "{url}", "{requests}/{rate}", "{}", "{ x }", "{1}"}
	require.NoError(t, Check(words))
	assert.True(t, Uses(words, "{rate}"))
	assert.False(t, Uses([]string{"rate"}, "{rate}"))
	assert.EqualError(t, Check([]string{"a", "b{time}"}),
		"{time} is no placeholder; expected {duration}, {seconds}, {workers}, {url}, {requests}, {rate}")

	values := Values{Duration: 90 * time.Second, Workers: 10, URL: "http://127.0.0.1:3030/a {rate}", Requests: 7, Rate: 1e6}
	assert.Equal(t, []string{"90s", "-d90s", "10", "http://127.0.0.1:3030/a {rate}", "7/1000000", "{}", "{ x }", "{1}"}, Fill(words, values),
		"no word becomes two, and no value is filled in turn")
	for length, want := range map[time.Duration][2]string{
		time.Second: {"1s", "1"}, 1500 * time.Millisecond: {"1500ms", "1.5"}, 90 * time.Second: {"90s", "90"}, time.Microsecond: {"1µs", "0.000001"},
	} {
		assert.Equal(t, want[:], Fill([]string{"{duration}", "{seconds}"}, Values{Duration: length}))
	}
}
