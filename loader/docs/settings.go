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

// name is what may be the name of a setting, with a value or without.
var name = regexp.MustCompile(`\b[A-Z][A-Z_]+\b(=\w+)?`)

// inCode returns text with the names of settings as code, unless there is code in it already.
func inCode(text string) string {
	if strings.Contains(text, "`") {
		return text
	}
	return name.ReplaceAllStringFunc(text, func(found string) string {
		setting, _, _ := strings.Cut(found, "=")
		if _, known := config.Named(setting); known {
			return code(found)
		}
		return found
	})
}
