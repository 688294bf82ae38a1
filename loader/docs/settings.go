package main

import (
	"regexp"
	"strings"

	"leaklab/loader/config"
)

// settings is a table for each group of settings, under a heading.
func settings(string) (string, error) {
	var page strings.Builder
	for _, group := range config.Groups() {
		var rows [][]string
		for _, s := range config.Settings() {
			if s.Group == group {
				rows = append(rows, []string{code(s.Name), inCode(s.Shown), meaning(s)})
			}
		}
		page.WriteString("### " + group + "\n\n" + markdown([]string{"setting", "default", "meaning"}, rows) + "\n")
	}
	return page.String(), nil
}

// meaning is what a setting means, with its choices and what differs with Docker.
func meaning(s config.Setting) string {
	text := inCode(s.Help)
	for n, choice := range s.Choices {
		text += map[bool]string{true: ": ", false: ", "}[n == 0] + code(choice)
	}
	if s.Docker != "" {
		text += ". With Docker: " + inCode(s.Docker)
	}
	if s.Secret {
		text += ". Its value is not recorded"
	}
	return text
}

func code(text string) string { return "`" + text + "`" }

var (
	// name is what may be the name of a setting, with a value or without.
	name = regexp.MustCompile(`\b[A-Z][A-Z_]+\b(=\w+|:PORT)?`)
	// literal is what else is no English: a path, a file, a name of a metric, an example of a header or a command.
	literal = regexp.MustCompile(`/debug/pprof/|compose/[a-z]+\.(yml|env)|\.env\b|[a-z]+(_[a-z]+)+|Accept: [^;]+|hey -z .*`)
)

// inCode returns text with the names of settings, and what else is no English, as code, unless it has code already.
func inCode(text string) string {
	if strings.Contains(text, "`") {
		return text
	}
	text = literal.ReplaceAllStringFunc(text, code)
	return name.ReplaceAllStringFunc(text, func(found string) string {
		if _, known := config.Named(strings.FieldsFunc(found, func(r rune) bool { return r == '=' || r == ':' })[0]); known {
			return code(found)
		}
		return found
	})
}
