package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v10"
)

// config is what the environment says; the README's table explains each setting.
type config struct {
	Host        string    `env:"HOST" envDefault:"127.0.0.1"`
	Port        uint16    `env:"PORT" envDefault:"3030"`
	MetricsPort uint16    `env:"METRICS_PORT" envDefault:"9101"`
	Leak        leakMode  `env:"LEAK" envDefault:"heap"`
	LeakBytes   leakBytes `env:"LEAK_BYTES" envDefault:"64"`
}

type leakMode string

func (m *leakMode) UnmarshalText(text []byte) error {
	*m = leakMode(text)
	if _, known := leakModes[*m]; !known {
		return errors.New("expected one of " + strings.Join(leakModeNames(), ", "))
	}
	return nil
}

type leakBytes int

// maxLeakBytes keeps one request of LEAK=burst (burstFactor times as much) within 1 GiB.
const maxLeakBytes = 1 << 30 / burstFactor

func (b *leakBytes) UnmarshalText(text []byte) error {
	var n int
	if _, err := fmt.Sscanf(string(text)+"\n", "%d\n", &n); err != nil || n < 0 || n > maxLeakBytes {
		return fmt.Errorf("expected a whole number of bytes from 0 to %d", maxLeakBytes)
	}
	*b = leakBytes(n)
	return nil
}

func environ() map[string]string {
	return env.ToMap(os.Environ())
}

// parseConfig reads the settings and reports all wrong ones in one error, a line each.
func parseConfig(environment map[string]string) (config, error) {
	var cfg config
	err := env.ParseWithOptions(&cfg, env.Options{Environment: environment})
	var all env.AggregateError
	if errors.As(err, &all) {
		var lines []error
		for _, one := range all.Errors {
			lines = append(lines, explain(one, environment))
		}
		return config{}, errors.Join(lines...)
	}
	return cfg, err
}

func explain(err error, environment map[string]string) error {
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	field, _ := reflect.TypeFor[config]().FieldByName(parse.Name)
	name := field.Tag.Get("env")
	cause := parse.Err
	if field.Type.Kind() == reflect.Uint16 {
		cause = errors.New("expected a port number from 0 to 65535")
	}
	return fmt.Errorf("%s=%q: %w", name, environment[name], cause)
}
