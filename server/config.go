package main

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v10"
)

// config holds the settings, which come from the environment. writeHelp prints the tags.
type config struct {
	Host        host      `env:"HOST" envDefault:"127.0.0.1" help:"host name or IP address to listen on"`
	Port        port      `env:"PORT" envDefault:"3030" help:"port under load"`
	MetricsPort adminPort `env:"METRICS_PORT" envDefault:"9101" help:"port for /metrics, /healthz and /debug/pprof/; 0 for any free one"`
	Protocol    protocol  `env:"PROTOCOL" envDefault:"http1" help:"http1, h2c, grpc, ws or sse without TLS; https, h2, grpcs or wss with TLS and a self-signed certificate"`
	Leak        leakMode  `env:"LEAK" envDefault:"heap" help:"demonstration, see below"`
	LeakBytes   leakBytes `env:"LEAK_BYTES" envDefault:"64" help:"bytes that the demonstration takes for each request"`
	LeakTTL     leakTTL   `env:"LEAK_TTL" envDefault:"10s" help:"how long LEAK=expire keeps them"`
	LeakEntries entries   `env:"LEAK_ENTRIES" envDefault:"32768" help:"most entries of LEAK=cache"`
}

// host is a name or an address to listen on, without a port. The loader accepts the same: a test compares the two.
type host string

var (
	hostPattern = regexp.MustCompile(`^[A-Za-z0-9._:%-]+$`)
	hostName    = regexp.MustCompile(`^(\w([\w-]{0,61}\w)?\.)*\w([\w-]{0,61}\w)?\.?$`)
	numbers     = regexp.MustCompile(`^[0-9.]+$`)
)

func (h *host) UnmarshalText(text []byte) error {
	_, err := netip.ParseAddr(string(text))
	if !hostPattern.Match(text) || err != nil && (!hostName.Match(text) || numbers.Match(text) || len(text) > 253) {
		return errors.New("expected a host name or an IP address, without a scheme or a port")
	}
	*h = host(text)
	return nil
}

type port uint16

func (p *port) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil || n == 0 {
		return errors.New("expected a port number from 1 to 65535")
	}
	*p = port(n)
	return nil
}

// adminPort is a port, or 0 for any free one.
type adminPort uint16

func (p *adminPort) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil {
		return errors.New("expected a port number from 1 to 65535, or 0 for any that is free")
	}
	*p = adminPort(n)
	return nil
}

// protocol is the protocol of the load. The server always accepts all of them; this decides about TLS only.
type protocol string

// protocols returns all of them, which are the loader's: a test compares the two.
func protocols() []protocol {
	return []protocol{"http1", "https", "h2c", "h2", "grpc", "grpcs", "ws", "wss", "sse"}
}

func (p *protocol) UnmarshalText(text []byte) error {
	*p = protocol(text)
	if !slices.Contains(protocols(), *p) {
		return fmt.Errorf("expected one of %s", strings.Trim(fmt.Sprint(protocols()), "[]"))
	}
	return nil
}

func (p protocol) encrypted() bool { return p == "https" || p == "h2" || p == "grpcs" || p == "wss" }

// leakMode is the name of one of leakModes.
type leakMode string

func (m *leakMode) UnmarshalText(text []byte) error {
	*m = leakMode(text)
	if _, known := modeNamed(*m); !known {
		return errors.New("expected one of " + strings.Join(leakModeNames(), ", "))
	}
	return nil
}

// leakBytes is a number of bytes, from 0 to maxLeakBytes.
type leakBytes int

// maxLeakBytes keeps one request of LEAK=burst (burstFactor times as much) within 1 GiB.
const maxLeakBytes = 1 << 30 / burstFactor

func (b *leakBytes) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n > maxLeakBytes {
		return fmt.Errorf("expected a whole number of bytes from 0 to %d", maxLeakBytes)
	}
	*b = leakBytes(n)
	return nil
}

// leakTTL is a length of time from a millisecond to an hour.
type leakTTL time.Duration

func (l *leakTTL) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil || value < time.Millisecond || value > time.Hour {
		return errors.New("expected a length of time from 1ms to 1h, for example \"10s\"")
	}
	*l = leakTTL(value)
	return nil
}

// entries is a number of entries, from 1 to ten million.
type entries int

func (e *entries) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > 10_000_000 {
		return errors.New("expected a whole number of entries from 1 to 10000000")
	}
	*e = entries(n)
	return nil
}

// amounts are those of the demonstration.
func (c config) amounts() amounts {
	return amounts{size: int(c.LeakBytes), ttl: time.Duration(c.LeakTTL), entries: int(c.LeakEntries)}
}

// parseConfig reads the settings. Its error names every invalid one, a line each.
func parseConfig(environment map[string]string) (config, error) {
	var cfg config
	err := env.ParseWithOptions(&cfg, env.Options{Environment: environment})
	var lines []error
	var all env.AggregateError
	switch {
	case errors.As(err, &all):
		for _, one := range all.Errors {
			lines = append(lines, explain(one, environment))
		}
	case err != nil:
		lines = append(lines, err)
	}
	if cfg.Port == port(cfg.MetricsPort) && cfg.Port != 0 {
		lines = append(lines, fmt.Errorf("METRICS_PORT=\"%d\": expected another port than PORT", cfg.MetricsPort))
	}
	return cfg, errors.Join(lines...)
}

func explain(err error, environment map[string]string) error {
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	field, _ := reflect.TypeFor[config]().FieldByName(parse.Name)
	name := field.Tag.Get("env")
	return fmt.Errorf("%s=%.200q: %w", name, environment[name], parse.Err)
}
