package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"leaklab/loader/config"
)

// app is one call of the program: what is not a setting, and its outcome.
type app struct {
	json bool   // --json
	demo string // --demo: the demo server, which is started without a COMMAND
	code int    // exit code
}

// call is what a command works with: its settings, all of them right, and where it prints.
type call struct {
	config  config.Config
	command []string // that starts the server; nil if it runs already
	screen  screen
}

// settingsError is an error of the settings, found before anything was started.
type settingsError struct{ error }

// loadSettings puts the settings of flags and of ENV_FILE into the environment, and warns of what is misspelt there.
func loadSettings(command *cobra.Command) error {
	err := config.LoadFlags(command.Flags())
	for _, warning := range config.Misspelt(os.Environ()) {
		complain("loader:", warning)
	}
	if err != nil {
		return settingsError{err}
	}
	return nil
}

// do reads the settings, and calls work if check finds all of them right. command starts the server.
func (a *app) do(from *cobra.Command, command []string, check func(config.Config, []string) error, work func(call) int) error {
	if err := loadSettings(from); err != nil {
		return err
	}
	cfg, err := config.FromEnvironment()
	if check != nil {
		err = errors.Join(err, check(cfg, command))
	}
	if err != nil {
		return settingsError{err}
	}
	a.code = work(call{cfg, command, newScreen(a.json, isTerminal, os.Getenv)})
	return nil
}

// refuse prints why a command was not carried out, and returns the exit code.
func refuse(command *cobra.Command, err error) int {
	var settings settingsError
	if errors.As(err, &settings) {
		complain(config.Typed(command.Flags(), err.Error()))
		return exitSettings
	}
	complain("loader:", err)
	complain(fmt.Sprintf("usage: %s\n%s --help tells more", command.UseLine(), command.CommandPath()))
	return exitSettings
}
