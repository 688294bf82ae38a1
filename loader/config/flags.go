package config

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags adds a flag for each of the settings that have one. Its value goes through the same parser as that of the
// environment: a FlagSet takes any text, and LoadFlags puts it into the environment.
func AddFlags(flags *pflag.FlagSet, settings []Setting) {
	for _, s := range settings {
		if s.Flag == "" || flags.Lookup(s.Flag) != nil {
			continue
		}
		flag := flags.VarPF(new(text), s.Flag, "", usage(s))
		if s.Switch {
			flag.NoOptDefVal = "true"
		}
	}
}

// usage is what --help says about a setting.
func usage(s Setting) string {
	if s.Shown == "" {
		return s.Meaning()
	}
	return fmt.Sprintf("%s (default %s)", s.Meaning(), s.Shown)
}

// text is the value of a flag, unparsed.
type text string

func (t *text) String() string { return string(*t) }

func (t *text) Set(value string) error {
	*t = text(value)
	return nil
}

func (t *text) Type() string { return "value" }

// Usage returns the flags of settings by group, as --help shows them, in lines of at most width columns.
func Usage(settings []Setting, width int) string {
	var page strings.Builder
	for _, group := range Groups() {
		flags := pflag.NewFlagSet(group, pflag.ContinueOnError)
		flags.SortFlags = false
		var members []Setting
		for _, s := range settings {
			if s.Group == group {
				members = append(members, s)
			}
		}
		AddFlags(flags, members)
		if flags.HasFlags() {
			fmt.Fprintf(&page, "%s:\n%s\n", group, flags.FlagUsagesWrapped(width))
		}
	}
	return page.String()
}

// LoadFlags puts the settings that were given as flags into the environment of this process, then those of ENV_FILE where
// the environment has none. The error is in terms of settings; Typed names the flags instead.
func LoadFlags(flags *pflag.FlagSet) error {
	for _, s := range Settings() {
		if !given(flags, s) {
			continue
		}
		if err := os.Setenv(s.Name, flags.Lookup(s.Flag).Value.String()); err != nil {
			return fmt.Errorf("%s: expected a value without NUL: %w", s.Name, err)
		}
	}
	if path := os.Getenv("ENV_FILE"); path != "" {
		return LoadEnvFile(path)
	}
	if path := os.Getenv("CHECK_ENV_FILE"); path != "" {
		return CheckEnvFile(path)
	}
	return nil
}

func given(flags *pflag.FlagSet, s Setting) bool {
	return s.Flag != "" && flags.Changed(s.Flag)
}

// leading is the name of a setting at the beginning of a line of an error.
var leading = regexp.MustCompile(`(?m)^[A-Z][A-Z_]*[=:]`)

// Typed returns message with what the user typed: a line that begins with the name of a setting begins with its flag if
// that was given: TRIES="x": expected ... becomes --tries="x": expected ...
func Typed(flags *pflag.FlagSet, message string) string {
	settings := byName()
	return leading.ReplaceAllStringFunc(message, func(start string) string {
		end := len(start) - 1
		if s, known := settings[start[:end]]; known && given(flags, s) {
			return "--" + s.Flag + start[end:]
		}
		return start
	})
}

// NearestFlag returns the flag that is most likely meant by name; empty if it is far from all.
func NearestFlag(flags *pflag.FlagSet, name string) string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return nearest(name, names)
}

// DemoDefaults sets what the demo server needs, where the environment says nothing: it signs its certificate itself,
// and shows its metrics at a free port, so that several of them can run side by side.
func DemoDefaults() error {
	for name, value := range map[string]string{"TLS_INSECURE": "true", "METRICS_URL": DemoMetrics(os.Getenv)} {
		if os.Getenv(name) != "" {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// DemoMetrics is where a demo server can show its metrics: a free port of the HOST of environment.
func DemoMetrics(environment func(string) string) string {
	host := environment("HOST")
	if host == "" {
		setting, _ := Named("HOST")
		host = setting.Default
	}
	others := []string{environment("PORT"), environment("METRICS_PORT"), environment("BASELINE_PORT")}
	return "http://" + net.JoinHostPort(host, freePort(host, others)) + "/metrics"
}

// OfDemo are the settings that the demo server has too, as variables, NAME=VALUE. It shows its metrics where METRICS_URL
// says, if that is at its HOST.
func (c Config) OfDemo() []string {
	var variables []string
	metrics, err := url.Parse(string(c.MetricsURL))
	if err == nil && metrics.Hostname() == string(c.Host) && metrics.Port() != "" {
		variables = append(variables, "METRICS_PORT="+metrics.Port())
	}
	for _, setting := range [][2]string{
		{"PROTOCOL", string(c.Protocol)}, {"LEAK", c.Leak}, {"LEAK_BYTES", c.LeakBytes}, {"LEAK_TTL", c.LeakTTL}, {"LEAK_ENTRIES", c.LeakEntries},
	} {
		if name, value := setting[0], setting[1]; value != "" {
			variables = append(variables, name+"="+value)
		}
	}
	return variables
}

// freePort returns a port of host, an address, on which nothing listens, and none of the others. It is any of many, since
// another loader may choose at the same moment, and none that the kernel gives to clients. If host is a name, it is not
// tried.
func freePort(host string, others []string) string {
	const lowest, number, tries = 10_000, 20_000, 100
	port := ""
	for range tries {
		port = strconv.Itoa(lowest + rand.IntN(number))
		if slices.Contains(others, port) {
			continue
		}
		if net.ParseIP(host) == nil {
			break
		}
		if listener, err := net.Listen("tcp", net.JoinHostPort(host, port)); err == nil {
			_ = listener.Close()
			break
		}
	}
	return port
}
