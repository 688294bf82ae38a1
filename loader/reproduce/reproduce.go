package reproduce

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"leaklab/loader/config"
	"leaklab/loader/record"
	"leaklab/loader/scrape"
	"leaklab/loader/shell"
)

// Run is a recorded run that is made again.
type Run struct {
	Path   string // of its run.json
	Record record.Run
}

// Open reads a recorded run: its run.json, or the folder with it. The error names the file and what is wrong in it.
func Open(path string) (*Run, error) {
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
	return &Run{Path: path, Record: old}, nil
}

// origin is how the server of the recorded run came to be measured.
func (r *Run) origin() Origin { return Origin(r.Record.Origin) }

// Restore puts the recorded settings into the environment of this process. The error names the settings that are missing
// or unknown.
func (r *Run) Restore() error {
	settings, err := r.settings(os.Getenv)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Path, err)
	}
	for name, value := range settings {
		if value == "" {
			err = os.Unsetenv(name)
		} else {
			err = os.Setenv(name, value)
		}
		if err != nil {
			return fmt.Errorf("%s: %s=%q: %w", r.Path, name, value, err)
		}
	}
	return nil
}

// Explain tells that err is of the settings that Restore has put into the environment.
func (r *Run) Explain(err error) error {
	return fmt.Errorf("%s: with its settings, and those of the environment:\n%w", r.Path, err)
}

// settings returns the settings to make the run again with: the recorded ones, but for those that belong to where it
// is made again, and those that may be secret, which have to be in the environment.
func (r *Run) settings(environment func(string) string) (map[string]string, error) {
	settings := make(map[string]string)
	for _, s := range config.Settings() {
		if s.Loader {
			settings[s.Name] = ""
		}
	}
	for _, name := range r.origin().serverSettings() {
		settings[name] = ""
	}
	if o := r.origin(); o == Launched || o == Attached { // whatever server that is, these may mean something to it
		for _, name := range demoSettings {
			delete(settings, name)
		}
	}
	var missing []string
	var wrong []error
	for _, s := range r.Record.Settings {
		if _, known := settings[s.Name]; !known {
			if s.Value != s.Default {
				wrong = append(wrong, fmt.Errorf("settings: %s=%q: expected a setting that this leaklab has", s.Name, s.Value))
			}
			continue
		}
		known, _ := config.Named(s.Name)
		settings[s.Name] = s.Value
		unknown := s.Value == record.Hidden || known.Redacted && scrape.LeftOut(s.Value)
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
	for name := range settings {
		if value := environment(name); r.isTodays(name, value) {
			settings[name] = value
		}
	}
	if r.origin() == Demo && settings["METRICS_URL"] != "" && environment("METRICS_URL") == "" {
		settings["METRICS_URL"] = config.DemoMetrics(func(name string) string { return settings[name] }) // the recorded port may be taken
	}
	return settings, errors.Join(wrong...)
}

// isTodays tells whether the value of the environment is taken in place of the recorded one.
func (r *Run) isTodays(name, value string) bool {
	s, _ := config.Named(name)
	return s.Machine || s.Movable && value != "" || r.origin().inCompose() && slices.Contains(r.origin().serverSettings(), name)
}

// Command is the command line of the server that has to be started; nil if one is running. now is how this process
// would find one: what Compose runs cannot be started here.
func (r *Run) Command(now Origin) ([]string, error) {
	switch o := r.origin(); o {
	case Launched:
		if len(r.Record.ServerArguments) == 0 {
			return nil, fmt.Errorf("%s: server_arguments is empty; expected the server's command", r.Path)
		}
		return r.Record.ServerArguments, nil
	case Demo:
		program, err := os.Executable()
		if err != nil {
			return nil, err
		}
		server := filepath.Join(filepath.Dir(program), "server")
		if _, err := os.Stat(server); err != nil {
			return nil, fmt.Errorf("expected the demo server beside this program: %w; go build -o %s ./server makes it", err, server)
		}
		return []string{server}, nil
	case Composed, Image:
		if now != o {
			line := strings.TrimSuffix(o.Line(r.Record.Settings, nil), "up")
			return nil, fmt.Errorf("%s: this run was made with Compose, whose containers this program cannot start; with the folder in RESULTS:\n  %srun --rm --use-aliases loader reproduce /results/%s",
				r.Path, line, shell.Quote(r.folder()))
		}
		return nil, nil
	case Attached:
		return nil, nil
	default:
		return nil, fmt.Errorf("%s: way is %q; expected %q, %q, %q, %q or %q", r.Path, o, Launched, Demo, Composed, Image, Attached)
	}
}

// folder is the name of the folder of the recorded run.
func (r *Run) folder() string {
	path, err := filepath.Abs(r.Path)
	if err != nil {
		path = r.Path
	}
	return filepath.Base(filepath.Dir(path))
}

// AtAnyPlace is a run without the settings that belong to where it was made. Where the demo server is does not matter
// either, nor where it shows its metrics.
func AtAnyPlace(run record.Run) record.Run {
	demo := Origin(run.Origin) == Demo
	run.Settings = slices.DeleteFunc(slices.Clone(run.Settings), func(s record.Setting) bool {
		known, _ := config.Named(s.Name)
		return known.Machine || demo && s.Name == "METRICS_URL"
	})
	if demo {
		run.ServerCommand = ""
	}
	return run
}
