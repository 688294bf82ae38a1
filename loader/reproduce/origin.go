// Package reproduce turns a run into settings and a command line, and a recorded run back into both. It starts nothing
// and measures nothing.
package reproduce

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"leaklab/loader/config"
	"leaklab/loader/record"
	"leaklab/loader/scrape"
	"leaklab/loader/shell"
)

// Origin is how the server came to be measured; "way" in run.json.
type Origin string

// The origins.
const (
	Launched Origin = "launched" // by a command
	Demo     Origin = "demo"     // launched, the demo server as ./test-me.sh builds it
	Composed Origin = "composed" // by the compose file
	Image    Origin = "image"    // by the compose file with compose/image.yml
	Attached Origin = "attached" // it was running
)

// OriginOf tells it from the command that starts the server, nil if none does, from whether the compose file runs the
// loader, and from the image that it runs in place of the demo server, if any.
func OriginOf(command []string, inCompose bool, image string) Origin {
	switch {
	case len(command) == 1 && strings.HasSuffix(filepath.ToSlash(command[0]), "/.build/server"):
		return Demo
	case command != nil:
		return Launched
	case inCompose && image != "":
		return Image
	case inCompose:
		return Composed
	default:
		return Attached
	}
}

// StartsDemo is true if a word of command is the demo server of a checkout, as in env GOGC=50 .build/server.
func StartsDemo(command []string) bool {
	return slices.ContainsFunc(command, func(word string) bool {
		return strings.HasSuffix("/"+filepath.ToSlash(word), "/.build/server")
	})
}

// IsDemo tells whether the server is the demo server.
func (o Origin) IsDemo() bool { return o == Demo || o == Composed }

// inCompose tells whether the compose file runs the server.
func (o Origin) inCompose() bool { return o == Composed || o == Image }

// demoSettings are the names of the settings for the demo server.
var demoSettings = []string{"LEAK", "LEAK_BYTES", "LEAK_TTL", "LEAK_ENTRIES"}

// serverSettings are the names of the settings for the server, which have no defaults in the loader.
func (o Origin) serverSettings() []string {
	switch o {
	case Demo:
		return demoSettings
	case Composed:
		return append(slices.Clone(demoSettings), "BASELINE_ENV_FILE")
	case Image:
		return []string{"SERVER_IMAGE", "SERVER_ENV_FILE", "SERVER_USER", "BASELINE_ENV_FILE"}
	default:
		return nil
	}
}

// loaderSettings are the settings of the loader that every run records: those for the server are recorded only of a
// server that has them.
func loaderSettings() []config.Setting {
	return slices.DeleteFunc(config.Settings(), func(s config.Setting) bool {
		return !s.Loader || slices.Contains(demoSettings, s.Name) || s.Name == "SERVER_IMAGE" || s.Name == "HOST_RESULTS"
	})
}

// Settings returns the settings as environment has them, for the record of a run of one shape with these TRIES. Where they
// are not set, their default is what the run has. What may be secret is not among the values.
func (o Origin) Settings(environment func(string) string, shape string, tries config.Tries) []record.Setting {
	var settings []record.Setting
	for _, s := range loaderSettings() {
		value := environment(s.Name)
		if s.Name == "TRIES" && value == "" && tries != config.Auto {
			s.Default = strconv.Itoa(int(tries))
		}
		switch {
		case value == "":
			value = s.Default
		case s.Secret:
			value = record.Hidden
		case s.Redacted:
			value = scrape.Public(value)
		case s.Name == "SHAPE":
			value = shape
		case s.Name == "UNIQUE" && shape != "unique": // of another run of several shapes, and refused without that one
			value = s.Default
		}
		settings = append(settings, record.Setting{Name: s.Name, Value: value, Default: s.Default})
	}
	for _, name := range o.serverSettings() {
		settings = append(settings, record.Setting{Name: name, Value: environment(name)})
	}
	return settings
}

// Line returns the line of shell that makes the same run again, from the top of the repository. Settings that belong to
// one machine, and those that may hold a secret, are not in it.
func (o Origin) Line(settings []record.Setting, command []string) string {
	var words []string
	for _, s := range settings {
		if o == Image && s.Name == "PORT" {
			words = append(words, "SERVER_PORT="+shell.Quote(s.Value))
		}
		if s.Value == s.Default || s.Value == record.Hidden || o.given(s.Name) {
			continue
		}
		if known, ok := config.Named(s.Name); ok && (known.Machine || known.Redacted) {
			continue
		}
		words = append(words, s.Name+"="+shell.Quote(s.Value))
	}
	if o.inCompose() {
		words = append(append(words, "docker", "compose"), o.composeFiles(settings)...)
	}
	switch o {
	case Composed, Image:
		words = append(words, "up")
	case Attached:
		words = append(words, ".build/loader")
	case Demo:
		words = append(words, "./test-me.sh")
	default:
		words = append(words, "./test-me.sh", shell.QuoteAll(command))
	}
	return strings.Join(words, " ")
}

// given tells whether the script or the compose file sets a setting.
func (o Origin) given(name string) bool {
	switch name {
	case "TLS_INSECURE":
		return o.IsDemo()
	case "HOST", "PORT", "BASELINE_HOST":
		return o.inCompose()
	default:
		return false
	}
}

// composeFiles are the arguments that name the compose files of a run, if it took more than one.
func (o Origin) composeFiles(settings []record.Setting) []string {
	var more []string
	set := func(name string) bool {
		return slices.ContainsFunc(settings, func(s record.Setting) bool { return s.Name == name && s.Value != "" })
	}
	if o == Image {
		more = append(more, "-f", "compose/image.yml")
	}
	if set("SERVER_USER") { // by compose/live.yml
		more = append(more, "-f", "compose/live.yml")
	}
	if set("BASELINE") {
		more = append(more, "-f", "compose/baseline.yml")
	}
	if more == nil {
		return nil
	}
	return append([]string{"-f", "docker-compose.yml"}, more...)
}
