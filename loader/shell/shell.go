// Package shell splits command lines into words, and quotes words, as a POSIX shell does.
package shell

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
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

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// Quote is a word as a shell reads it: in single quotes, unless no character of it is special.
func Quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// QuoteAll is a command line that a shell, and Split, split into the words.
func QuoteAll(words []string) string {
	quoted := make([]string, len(words))
	for n, word := range words {
		quoted[n] = Quote(word)
	}
	return strings.Join(quoted, " ")
}
