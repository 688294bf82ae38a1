package config

import (
	"fmt"
	"slices"
	"strings"
)

// Misspelt returns a warning for each name of the environment that is one edit away from a setting of the loader, and is
// none itself: an inserted, deleted or replaced letter, or two that changed places. Names of up to four letters are too
// close to many others: there it takes two that changed places, or an S at the end. environment has NAME=VALUE items.
func Misspelt(environment []string) []string {
	var warnings []string
	known, settings := byName(), Settings()
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if _, found := known[name]; found || name != strings.ToUpper(name) {
			continue
		}
		for _, s := range settings {
			if s.Loader && oneEditAway(name, s.Name) {
				warnings = append(warnings, fmt.Sprintf("%s in the environment is no setting; did you mean %s?", name, s.Name))
				break
			}
		}
	}
	slices.Sort(warnings)
	return warnings
}

// ambiguous is the length of the settings whose neighbours are often names of something else: PORT and POST.
const ambiguous = 4

func oneEditAway(name, setting string) bool {
	if len(setting) > ambiguous {
		return distance(name, setting) == 1
	}
	return name == setting+"S" || len(name) == len(setting) && distance(name, setting) == 1 && sameLetters(name, setting)
}

func sameLetters(a, b string) bool {
	one, other := []byte(a), []byte(b)
	slices.Sort(one)
	slices.Sort(other)
	return slices.Equal(one, other)
}

// nearest returns the candidate that name most likely stands for, whatever its case; empty if it is far from all.
func nearest(name string, candidates []string) string {
	name = strings.ToUpper(name)
	best, least := "", max(1, min(3, len(name)/3))+1
	for _, candidate := range candidates {
		if d := distance(name, strings.ToUpper(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance is the number of inserted, deleted, replaced or exchanged neighbouring letters between two words: the optimal
// string alignment distance (F. Damerau, "A technique for computer detection and correction of spelling errors", 1964).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(replaced, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
