package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"leaklab/loader/config"
	"leaklab/loader/record"
	"leaklab/loader/scrape"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// here are the settings that belong to this machine and this moment, so that the recorded ones are not used. Whether
// somebody else's server may be loaded is for who loads it to say.
var here = map[string]bool{"RESULTS": true, "METRICS_PORT": true, "SERVER_PID": true, "SCRAPE_WAIT": true, "ALLOW_REMOTE": true}

// movable are the settings that say where things are: those of the environment win over the recorded ones.
var movable = map[string]bool{"HOST": true, "PORT": true, "BASELINE_PORT": true, "METRICS_URL": true, "PPROF_URL": true, "URL_FILE": true, "BODY_FILE": true}

// reproduction is a recorded run that is made again.
type reproduction struct {
	path string // of its run.json
	old  record.Run
}

// reproduce makes the run of path again, a run.json or the folder with it, and says what differs. It returns the exit
// code of the new run.
func reproduce(path string) int {
	again, err := readReproduction(path)
	var cfg config.Config
	var command []string
	if err == nil {
		cfg, err = again.restore()
	}
	if err == nil {
		command, err = again.command(cfg)
	}
	if err == nil {
		err = checkHere(cfg, command)
	}
	if err != nil {
		complain("loader:", err)
		return exitSettings
	}
	return measureServer(cfg, command, again)
}

func readReproduction(path string) (*reproduction, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "run.json")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("expected the folder of a run, or its run.json: %w", err)
	}
	defer file.Close()
	old, err := record.ReadRun(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &reproduction{path: path, old: old}, nil
}

// restore puts the recorded settings into the environment of this process, for itself and for the server that it
// starts, and returns them.
func (r *reproduction) restore() (config.Config, error) {
	settings, err := r.settings(os.Getenv)
	if err != nil {
		return config.Config{}, fmt.Errorf("%s: %w", r.path, err)
	}
	for name, value := range settings {
		if value == "" {
			err = os.Unsetenv(name)
		} else {
			err = os.Setenv(name, value)
		}
		if err != nil {
			return config.Config{}, fmt.Errorf("%s: %s=%q: %w", r.path, name, value, err)
		}
	}
	cfg, err := config.FromEnvironment()
	if err != nil {
		err = fmt.Errorf("%s: with its settings, and those of the environment:\n%w", r.path, err)
	}
	return cfg, err
}

// settings returns the settings to make the run again with: the recorded ones, but for those that belong to where it
// is made again, and those that may be secret, which have to be in the environment.
func (r *reproduction) settings(environment func(string) string) (map[string]string, error) {
	w := way(r.old.Origin)
	settings := make(map[string]string)
	for field := range reflect.TypeFor[config.Config]().Fields() {
		settings[field.Tag.Get("env")] = ""
	}
	for _, name := range w.ownSettings() {
		settings[name] = ""
	}
	if w == launched || w == attached { // whatever server that is, these may mean something to it
		delete(settings, "LEAK")
		delete(settings, "LEAK_BYTES")
	}
	var missing []string
	var wrong []error
	for _, s := range r.old.Settings {
		if _, known := settings[s.Name]; !known {
			if s.Value != s.Default {
				wrong = append(wrong, fmt.Errorf("settings: %s=%q: expected a setting that this leaklab has", s.Name, s.Value))
			}
			continue
		}
		settings[s.Name] = s.Value
		unknown := s.Value == record.Hidden || (s.Name == "METRICS_URL" || s.Name == "PPROF_URL") && scrape.LeftOut(s.Value)
		if unknown {
			settings[s.Name] = environment(s.Name)
		}
		if unknown && settings[s.Name] == "" {
			missing = append(missing, s.Name)
		}
	}
	if len(missing) > 0 {
		wrong = append(wrong, fmt.Errorf("%s: expected in the environment, as it was for the recorded run: what may be secret is not written down",
			strings.Join(missing, ", ")))
	}
	composed := slices.Contains([]way{composed, image}, w)
	for name := range settings {
		if value := environment(name); here[name] || movable[name] && value != "" || composed && slices.Contains(w.ownSettings(), name) {
			settings[name] = value
		}
	}
	return settings, errors.Join(wrong...)
}

// command is the command line of the server that has to be started; nil if one is running.
func (r *reproduction) command(cfg config.Config) ([]string, error) {
	switch recorded := way(r.old.Origin); recorded {
	case launched:
		if len(r.old.ServerArguments) == 0 {
			return nil, fmt.Errorf("%s: server_arguments is empty; expected the server's command", r.path)
		}
		return r.old.ServerArguments, nil
	case demo:
		program, err := os.Executable()
		if err != nil {
			return nil, err
		}
		server := filepath.Join(filepath.Dir(program), "server")
		if _, err := os.Stat(server); err != nil {
			return nil, fmt.Errorf("expected the demo server beside this program: %w; go build -o %s ./server makes it", err, server)
		}
		return []string{server}, nil
	case composed, image:
		if now := wayOf(cfg, nil); now != recorded {
			line := strings.TrimSuffix(recorded.reproduce(r.old.Settings, nil), "up")
			return nil, fmt.Errorf("%s: this run was made with Compose, whose containers this program cannot start; with the folder in RESULTS:\n  %srun --rm --use-aliases loader reproduce /results/%s",
				r.path, line, quote(r.folder()))
		}
		return nil, nil
	case attached:
		return nil, nil
	default:
		return nil, fmt.Errorf("%s: way is %q; expected %q, %q, %q, %q or %q", r.path, r.old.Origin, launched, demo, composed, image, attached)
	}
}

// folder is the name of the folder of the recorded run.
func (r *reproduction) folder() string {
	path, err := filepath.Abs(r.path)
	if err != nil {
		path = r.path
	}
	return filepath.Base(filepath.Dir(path))
}

// report prints what differs between the recorded run and the new one, in folder; nothing if the new one has no
// iteration, or none is made again. options are those of the new run's verdict.
func (r *reproduction) report(out io.Writer, run record.Run, options verdict.Options, folder string) error {
	if r == nil || len(run.Iterations) == 0 {
		return nil
	}
	screen := terminal.New(out, false)
	options.Rest = nil // that of the new run alone
	return errors.Join(
		screen.Reproduction(atAnyPlace(r.old), atAnyPlace(run)),
		screen.Comparison(verdict.Compare(r.old.Evidence(), run.Evidence(), options), terminal.Side{Name: "old", Of: r.path}, terminal.Side{Name: "new", Of: folder}))
}

// atAnyPlace is a run without the settings that belong to where it was made. Where the demo server is does not matter
// either.
func atAnyPlace(run record.Run) record.Run {
	run.Settings = slices.DeleteFunc(slices.Clone(run.Settings), func(s record.Setting) bool { return here[s.Name] })
	if way(run.Origin) == demo {
		run.ServerCommand = ""
	}
	return run
}
