package live

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"leaklab/loader/kernel"
)

// look reads what can be told of a process without its help. It fails if the process has ended, or may not be looked at.
func look(pid int) (process, error) {
	began := identify(pid)
	p := process{PID: pid, Inside: pid, Root: kernel.Path(pid, "root"), Exe: began.exe, began: began}
	status, err := os.ReadFile(kernel.Path(pid, "status"))
	if err != nil {
		return p, err
	}
	for line := range bytes.Lines(status) {
		if numbers, found := bytes.CutPrefix(line, []byte("NSpid:")); found {
			fields := bytes.Fields(numbers)
			if p.Inside, err = strconv.Atoi(string(fields[len(fields)-1])); err != nil {
				return p, fmt.Errorf("process %d: NSpid is %q", pid, numbers)
			}
		}
	}
	p.Mapped, err = mapped(pid)
	return p, err
}

// mapped returns the paths of the files that a process maps, as it sees them.
func mapped(pid int) ([]string, error) {
	maps, err := os.Open(kernel.Path(pid, "maps"))
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	var all []string
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		_, path, found := strings.Cut(lines.Text(), "/")
		if path = "/" + path; found && (len(all) == 0 || all[len(all)-1] != path) {
			all = append(all, path)
		}
	}
	return all, lines.Err()
}

// maps tells whether the process maps a file of that name, or with that name and a version behind it: libjvm.so,
// libtcmalloc.so.4.
func (p process) maps(name string) bool {
	for _, path := range p.Mapped {
		if base := filepath.Base(path); base == name || strings.HasPrefix(base, name+".") {
			return true
		}
	}
	return false
}

// handles tells whether the process has a handler for a signal.
func (p process) handles(signal int) bool {
	status, err := os.ReadFile(kernel.Path(p.PID, "status"))
	if err != nil {
		return false
	}
	for line := range bytes.Lines(status) {
		if mask, found := bytes.CutPrefix(line, []byte("SigCgt:")); found {
			caught, err := strconv.ParseUint(string(bytes.TrimSpace(mask)), 16, 64)
			return err == nil && caught&(1<<(signal-1)) != 0
		}
	}
	return false
}

// environment returns a variable that a process was started with; empty if it has none, or may not be looked at.
func (p process) environment(name string) string {
	all, err := os.ReadFile(kernel.Path(p.PID, "environ"))
	if err != nil {
		return ""
	}
	for variable := range bytes.SplitSeq(all, []byte{0}) {
		if value, found := bytes.CutPrefix(variable, []byte(name+"=")); found {
			return string(value)
		}
	}
	return ""
}

// arguments are the words that a process was started with.
func (p process) arguments() []string {
	all, err := os.ReadFile(kernel.Path(p.PID, "cmdline"))
	if err != nil || len(all) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(all), "\x00"), "\x00")
}

// programOf is the path of a process's program, as it sees it; empty if that cannot be told.
func programOf(pid int) string {
	path, _ := os.Readlink(kernel.Path(pid, "exe"))
	return strings.TrimSuffix(path, " (deleted)")
}

// identity tells a program from another that has its process number: from a later process, and from what the same process
// has become by exec, of the same file too.
type identity struct {
	since uint64 // when the process started, in the kernel's ticks
	stack uint64 // where its stack begins, which each exec chooses at random; 0 if that may not be looked at
	exe   string
}

// identify is a process's identity; what cannot be told of it is 0.
func identify(pid int) identity {
	stat, _ := kernel.ReadStat(pid)
	return identity{since: stat.Field(kernel.Start), stack: stat.Field(kernel.StackStart), exe: programOf(pid)}
}

// same tells whether the process still runs the program that was looked at.
func (p process) same() bool { return identify(p.PID) == p.began }

// hasEnded tells whether a process has ended; one that its parent has not waited for has no files mapped.
func hasEnded(pid int) bool {
	files, err := mapped(pid)
	return err == nil && len(files) == 0 || errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// mappedPages is memory that a process maps, in bytes: all of it, what of it is in RAM or swapped out, and what of that
// belongs to files or shared memory.
type mappedPages struct{ mapped, held, shared int64 }
