package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"leaklab/loader/config"
	"leaklab/loader/load"
)

// reservedFiles is how many files this program has open besides the connections of the load, at most.
const reservedFiles = 64

// checkHere says what is wrong with the settings on this machine, before anything is started: with the files, the folder
// and the program that they name, and with the number of connections. Settings that are wrong in themselves are zero, and
// have been named. command starts the server; it may be the demo server, whose own settings are looked at then.
func checkHere(cfg config.Config, command []string) error {
	_, err := requestOf(cfg)
	wrong := []error{err}
	if w := wayOf(cfg, command); w == demo || w == composed {
		wrong = append(wrong, cfg.CheckDemo())
	}
	if info, err := os.Stat(string(cfg.Results)); err == nil && !info.IsDir() {
		wrong = append(wrong, fmt.Errorf("RESULTS=%q: expected a folder, or the name of one that is not there yet", cfg.Results))
	}
	if cfg.Baseline != nil && cfg.BaselineHost == "" {
		other := cfg.OfBaseline()
		if _, err := exec.LookPath(cfg.Baseline.At(other.Host, other.Port)[0]); err != nil {
			wrong = append(wrong, fmt.Errorf("BASELINE=%.200q: expected a program that can be run: %w", quoteAll(cfg.Baseline), err))
		}
	}
	if cfg.LoadCommand == nil {
		return errors.Join(append(wrong, checkWorkers(cfg))...)
	}
	if _, err := exec.LookPath(cfg.LoadCommand[0]); err != nil {
		wrong = append(wrong, fmt.Errorf("LOAD_COMMAND: expected a program that can be run: %w", err))
	}
	return errors.Join(wrong...)
}

// checkWorkers says whether this program may have as many connections as the workers need.
func checkWorkers(cfg config.Config) error {
	var limit syscall.Rlimit // the runtime has raised it as far as it may
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil // nobody knows
	}
	for _, shape := range cfg.Shapes {
		plan := load.Plan{Workers: int(cfg.Workers), Behaviour: load.NewBehaviour(load.ShapeNamed(shape), load.Request{}, "")}
		needed := uint64(plan.Connections())
		if needed+reservedFiles > limit.Cur {
			most := (max(limit.Cur, reservedFiles) - reservedFiles) * uint64(cfg.Workers) / needed
			return fmt.Errorf("WORKERS=\"%d\": expected at most %d with SHAPE=%s, since this program may have %d files open (ulimit -n)",
				cfg.Workers, most, strings.Join(cfg.Shapes, ","), limit.Cur)
		}
	}
	return nil
}
