package config

import (
	"reflect"
	"strings"

	"leaklab/loader/load"
)

// outside are the settings that the loader does not take its Config from: those of the compose files, and how the
// loader itself is called. They have the same tags.
type outside struct {
	EnvFile      string `env:"ENV_FILE" group:"Command line" help:"file with settings, NAME=VALUE in each line; flags and the environment win over it" docker:"Compose reads .env itself" compose:"-" flag:"env-file"`
	CheckEnvFile string `env:"CHECK_ENV_FILE" group:"Command line" help:"file whose names of settings are checked, without taking their values" docker:".env" compose:"/leaklab.env"`

	ServerPort      string `env:"SERVER_PORT" group:"Docker" help:"port on which the server of SERVER_IMAGE listens"`
	ServerEnvFile   string `env:"SERVER_ENV_FILE" default:"compose/image.env" group:"Docker" help:"file with the environment of SERVER_IMAGE"`
	ServerUser      string `env:"SERVER_USER" default:"0:0" group:"Docker" help:"user and group of the loader with compose/live.yml; with those of SERVER_IMAGE it needs no capabilities"`
	BaselineEnvFile string `env:"BASELINE_ENV_FILE" default:"compose/baseline.env" group:"Docker" help:"file with the environment of the image BASELINE"`
	PrometheusPort  string `env:"PROMETHEUS_PORT" default:"9090" group:"Docker" help:"port of this machine where Prometheus is published"`
	GrafanaPort     string `env:"GRAFANA_PORT" default:"3000" group:"Docker" help:"port of this machine where Grafana is published"`
	LoaderImage     string `env:"LOADER_IMAGE" default:"leaklab-loader" group:"Docker" help:"image of the loader on a cluster, with compose/stack.yml"`
	Loaders         string `env:"LOADERS" default:"2" group:"Docker" help:"number of loaders on a cluster, with compose/stack.yml"`
	LoadersOn       string `env:"LOADERS_ON" default:"node.platform.os==linux" group:"Docker" help:"constraint for the machines of the loaders on a cluster, with compose/stack.yml"`
}

// Setting is what the tags of a field of Config say, beside env and envDefault. To add a setting is to add a field; the
// flag, --help and the table in docs/settings.md follow from it.
type Setting struct {
	Name    string // env: in the environment, for example MAX_TRIES
	Flag    string // made from Name, for example max-tries; empty with flag:"-": the compose files alone set it
	Default string // envDefault: the value of a setting that is not set; empty if there is none
	Shown   string // default: how a computed default is told; Default if there is no such tag
	Group   string // group: one of Groups
	Help    string // help: what it means, without a full stop
	Docker  string // docker: what differs with Docker Compose; empty if nothing does
	Compose string // compose: its value for the loader in docker-compose.yml; empty: passed on, "-": not there

	Secret   bool // secret: its value is not recorded
	Machine  bool // machine: it belongs to this machine and moment: not taken from a record, nor part of its command line
	Movable  bool // movable: it tells where something is: the environment wins over a record
	Redacted bool // redact: an address that may hold a password or a token: recorded without, not part of a command line
	Loader   bool // the loader takes its Config from it; otherwise it is for the compose files, or tells how it is called
	Switch   bool // it is true or false

	Choices []string // all values that there are, or those that a list may have; nil if they are not a fixed few
}

// Groups are the groups of settings, in the order of --help and docs/settings.md.
func Groups() []string {
	return []string{"Run", "Load", "Request", "Server", "Demo server", "Baseline", "Results", "Command line", "Docker"}
}

// Settings returns all settings: those of Config in its order, then the others.
func Settings() []Setting {
	var settings []Setting
	for field := range reflect.TypeFor[Config]().Fields() {
		s := settingOf(field)
		s.Loader = true
		if field.Tag.Get("flag") == "" {
			s.Flag = strings.ReplaceAll(strings.ToLower(s.Name), "_", "-")
		}
		settings = append(settings, s)
	}
	for field := range reflect.TypeFor[outside]().Fields() {
		s := settingOf(field)
		s.Flag = field.Tag.Get("flag")
		settings = append(settings, s)
	}
	return settings
}

// Named returns the setting of that name; false if there is none.
func Named(name string) (Setting, bool) {
	s, known := byName()[name]
	return s, known
}

// byName returns all settings by their names.
func byName() map[string]Setting {
	settings := make(map[string]Setting)
	for _, s := range Settings() {
		settings[s.Name] = s
	}
	return settings
}

func settingOf(field reflect.StructField) Setting {
	tag := field.Tag
	s := Setting{
		Name: tag.Get("env"), Default: tag.Get("envDefault"), Shown: tag.Get("default"), Group: tag.Get("group"),
		Help: tag.Get("help"), Docker: tag.Get("docker"), Compose: tag.Get("compose"),
		Secret: tag.Get("secret") == "true", Machine: tag.Get("machine") == "true", Movable: tag.Get("movable") == "true",
		Redacted: tag.Get("redact") == "true", Switch: field.Type.Kind() == reflect.Bool,
	}
	if s.Shown == "" {
		s.Shown = s.Default
	}
	switch s.Name {
	case "SHAPE":
		s.Choices = load.ShapeNames()
	case "UNIQUE":
		s.Choices = load.DimensionNames()
	case "PROTOCOL":
		for _, protocol := range load.Protocols() {
			s.Choices = append(s.Choices, string(protocol))
		}
	case "CONNECTIONS":
		s.Choices = []string{string(Kept), string(Fresh)}
	case "LIVE":
		s.Choices = liveKinds
	case "SITES":
		s.Choices = []string{string(AutoSites), string(NoSites)}
	case "LEAK":
		s.Choices = leakModes
	}
	return s
}

// Meaning is Help with the choices that there are.
func (s Setting) Meaning() string {
	if s.Choices == nil {
		return s.Help
	}
	return s.Help + ": " + strings.Join(s.Choices, ", ")
}
