package main

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"leaklab/loader/config"
	"leaklab/loader/record"
	"leaklab/loader/scrape"
)

// secret are the settings whose values are never written down.
var secret = map[string]bool{"HEADERS": true, "BASIC_AUTH": true, "BODY": true, "LOAD_COMMAND": true}

// local are the settings that say where things are on this machine, and change nothing about what is measured.
var local = map[string]bool{"RESULTS": true, "METRICS_PORT": true, "SERVER_PID": true, "METRICS_URL": true, "PPROF_URL": true, "SCRAPE_WAIT": true}

// settingsOf returns the settings as environment has them, for the report of a run of one shape. LEAK and LEAK_BYTES,
// which are the demo server's, are among them only if that is measured, and those of an image only if one is.
func settingsOf(environment func(string) string, shape string, w way) []record.Setting {
	var settings []record.Setting
	add := func(name, standard string) {
		value := environment(name)
		switch {
		case value == "":
			value = standard
		case secret[name]:
			value = record.Hidden
		case name == "METRICS_URL" || name == "PPROF_URL":
			value = scrape.Public(value)
		case name == "SHAPE":
			value = shape
		}
		settings = append(settings, record.Setting{Name: name, Value: value, Default: standard})
	}
	for field := range reflect.TypeFor[config.Config]().Fields() {
		if name := field.Tag.Get("env"); name != "LEAK" && name != "LEAK_BYTES" && name != "SERVER_IMAGE" {
			add(name, field.Tag.Get("envDefault"))
		}
	}
	for _, name := range w.ownSettings() {
		add(name, "")
	}
	return settings
}

// way is how the server came to be measured.
type way string

const (
	launched way = "launched" // by a command
	demo     way = "demo"     // launched, the demo server as ./test-me.sh builds it
	composed way = "composed" // by the compose file
	image    way = "image"    // by the compose file with server/image.yml
	attached way = "attached" // it was running
)

// wayOf tells it from the command, and from what the compose files alone set.
func wayOf(cfg config.Config, command []string) way {
	inCompose := cfg.Host == "server" && (cfg.ServerPID == config.Shared || cfg.ServerPID == 1)
	switch {
	case len(command) == 1 && strings.HasSuffix(filepath.ToSlash(command[0]), "/.build/server"):
		return demo
	case command != nil:
		return launched
	case inCompose && cfg.ServerImage != "":
		return image
	case inCompose:
		return composed
	default:
		return attached
	}
}

// ownSettings are the settings of the server itself, which have no defaults in the loader.
func (w way) ownSettings() []string {
	switch w {
	case demo:
		return []string{"LEAK", "LEAK_BYTES"}
	case composed:
		return []string{"LEAK", "LEAK_BYTES", "BASELINE_ENV_FILE"}
	case image:
		return []string{"SERVER_IMAGE", "SERVER_ENV_FILE", "BASELINE_ENV_FILE"}
	default:
		return nil
	}
}

// reproduce returns the line of shell that makes the same run again, from the top of the repository.
func (w way) reproduce(settings []record.Setting, command []string) string {
	compose := w == composed || w == image // HOST and PORT are in its file
	var words []string
	for _, s := range settings {
		if w == image && s.Name == "PORT" {
			words = append(words, "SERVER_PORT="+quote(s.Value))
		}
		given := (w == demo || w == composed) && s.Name == "TLS_INSECURE" || compose && (s.Name == "HOST" || s.Name == "PORT" || s.Name == "BASELINE_HOST")
		if s.Value == s.Default || s.Value == record.Hidden || local[s.Name] || given {
			continue
		}
		words = append(words, s.Name+"="+quote(s.Value))
	}
	if compose {
		words = append(append(words, "docker", "compose"), w.composeFiles(settings)...)
	}
	switch w {
	case composed, image:
		words = append(words, "up")
	case attached:
		words = append(words, ".build/loader")
	case demo:
		words = append(words, "./test-me.sh")
	default:
		words = append(words, "./test-me.sh", quoteAll(command))
	}
	return strings.Join(words, " ")
}

// composeFiles are the arguments that name the compose files of a run, if it took more than one.
func (w way) composeFiles(settings []record.Setting) []string {
	var more []string
	if w == image {
		more = append(more, "-f", "server/image.yml")
	}
	if slices.ContainsFunc(settings, func(s record.Setting) bool { return s.Name == "BASELINE" && s.Value != "" }) {
		more = append(more, "-f", "server/baseline.yml")
	}
	if more == nil {
		return nil
	}
	return append([]string{"-f", "docker-compose.yml"}, more...)
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// quote is a word of shell.
func quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for n, word := range words {
		quoted[n] = quote(word)
	}
	return strings.Join(quoted, " ")
}
