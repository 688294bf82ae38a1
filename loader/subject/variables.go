package subject

import (
	"strings"

	"github.com/shirou/gopsutil/v4/process"
)

// variables are those of an environment: values by name.
type variables map[string]string

// variablesOf reads lines NAME=value, of which the last of a name counts.
func variablesOf(lines []string) variables {
	all := make(variables, len(lines))
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		all[name] = value
	}
	return all
}

// environmentOf is the environment that a process was started with; it is empty if that may not be seen.
func environmentOf(pid int) variables {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return nil
	}
	lines, _ := p.Environ()
	return variablesOf(lines)
}

// share is true if they have a variable of one environment that another does not have, or has with another value.
func (v variables) share(one, another variables) bool {
	for name, value := range one {
		own, inherited := v[name]
		if differs, there := another[name]; inherited && own == value && (!there || differs != value) {
			return true
		}
	}
	return false
}
