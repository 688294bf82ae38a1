package external

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Values are the values of the placeholders in a command.
type Values struct {
	Duration time.Duration
	Workers  int
	URL      string
	Requests uint64
	Rate     float64 // requests per second
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// placeholders are their names, in the order in which they are explained.
var placeholders = []string{"{duration}", "{seconds}", "{workers}", "{url}", "{requests}", "{rate}"}

// Check fails when words have a placeholder that does not exist.
func Check(words []string) error {
	for _, word := range words {
		for _, name := range placeholder.FindAllString(word, -1) {
			if !slices.Contains(placeholders, name) {
				return fmt.Errorf("%s is no placeholder; expected %s", name, strings.Join(placeholders, ", "))
			}
		}
	}
	return nil
}

// Uses tells whether a placeholder, such as "{rate}", is in words.
func Uses(words []string, name string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, name) })
}

// Fill returns words with the values in place of the placeholders. No word becomes two.
func Fill(words []string, values Values) []string {
	filled := strings.NewReplacer(
		"{duration}", withUnit(values.Duration),
		"{seconds}", strconv.FormatFloat(values.Duration.Seconds(), 'f', -1, 64),
		"{workers}", strconv.Itoa(values.Workers),
		"{url}", values.URL,
		"{requests}", strconv.FormatUint(values.Requests, 10),
		"{rate}", strconv.FormatFloat(values.Rate, 'f', -1, 64),
	)
	all := make([]string, len(words))
	for n, word := range words {
		all[n] = filled.Replace(word)
	}
	return all
}

// withUnit is a length of time in one unit, as every tool reads it: 90s, not 1m30s.
func withUnit(length time.Duration) string {
	switch {
	case length%time.Second == 0:
		return fmt.Sprintf("%ds", length/time.Second)
	case length%time.Millisecond == 0:
		return fmt.Sprintf("%dms", length/time.Millisecond)
	default:
		return length.String()
	}
}
