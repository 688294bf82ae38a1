package external

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Split splits a command line into words at blanks, as a shell does, but without a shell, of which a container may
// have none: what is between single quotes is taken as it is, between double quotes a backslash may stand before a
// quote or a backslash, and outside of quotes before anything. Nothing else is special; for pipes, variables and
// the like the command is sh -c '...'. It fails on an open quote, and if there is no word.
func Split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	quote := rune(0)
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	switch {
	case quote != 0:
		return nil, fmt.Errorf("expected a %c at the end of what it quotes", quote)
	case escaped:
		return nil, errors.New("expected something after the last backslash")
	case inWord:
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("expected a command")
	}
	return words, nil
}

// Values are the values of the placeholders in a command.
type Values struct {
	Duration time.Duration
	Workers  int
	URL      string
	Requests uint64
	Rate     float64 // requests per second
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// placeholders are all names, in the order of error messages.
var placeholders = []string{"{duration}", "{seconds}", "{workers}", "{url}", "{requests}", "{rate}"}

// Check fails when words contain an unknown placeholder. The error lists the known ones.
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

// Uses is true if words contain the placeholder name, such as "{rate}".
func Uses(words []string, name string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, name) })
}

// Fill replaces the placeholders in words by their values. A word stays one word.
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

// withUnit formats a duration in one unit, as every tool accepts it: 90s, not 1m30s.
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
