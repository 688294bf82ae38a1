package live

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// debugger is a running gdb that reads commands from a pipe. It stays for all readings, attached only during one, and has
// no symbols: addresses of functions come from elsewhere.
type debugger struct {
	command *exec.Cmd
	folder  string // its own; empty, for gdb looks there for the server's libraries in vain
	stdin   io.WriteCloser
	answers chan string // lines; closed when gdb ends
	asked   int         // commands so far
	broken  bool        // it has ended, or will
}

// gdbSettings keep gdb from loading symbols or scripts that the server's files name, and let signals pass. Only the
// thread that is called waits for a call: the others run.
var gdbSettings = []string{
	"set auto-load off", "set debuginfod enabled off", "set pagination off", "set confirm off", "set width 0", "set height 0",
	"set print thread-events off", "set exec-file-mismatch off", "set language c", "set unwindonsignal on",
	"set auto-solib-add off", "set libthread-db-search-path /nonexistent", "set scheduler-locking off", "set prompt",
	"handle all nostop noprint pass",
}

// gdbPatience is how long a call that was given up has to return by itself, and gdbGrace how long gdb then has to leave the
// server in order.
const (
	gdbPatience = 2 * time.Second
	gdbGrace    = 5 * time.Second
)

// startDebugger starts gdb from PATH. It makes a folder in the one given; empty is that of the system for such folders.
func startDebugger(in string) (_ *debugger, err error) {
	path, err := exec.LookPath("gdb")
	if err != nil {
		return nil, errors.New("malloc_info needs gdb, which is not installed")
	}
	folder, err := os.MkdirTemp(in, "gdb-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(folder)
		}
	}()
	arguments := []string{"-nx", "-q"}
	for _, setting := range append([]string{"set sysroot " + folder}, gdbSettings...) {
		arguments = append(arguments, "-iex", setting)
	}
	command := exec.Command(path, arguments...)
	command.Dir = folder
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the terminal is not for gdb
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	command.Stderr = command.Stdout
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("gdb: %w", err)
	}
	d := &debugger{command: command, folder: folder, stdin: stdin, answers: make(chan string, 64)}
	go func() {
		defer close(d.answers)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			d.answers <- lines.Text()
		}
		_, _ = io.Copy(io.Discard, output)
	}()
	return d, nil
}

// do runs one command, and returns its lines. The error of a context comes after gdb has answered, or was interrupted; if it
// does not answer then, it is ended, which detaches it.
func (d *debugger) do(ctx context.Context, command string) ([]string, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("gdb: %w", ctx.Err())
	}
	d.asked++
	mark := fmt.Sprintf("@done %d", d.asked)
	if _, err := fmt.Fprintf(d.stdin, "%s\necho \\n%s\\n\n", command, mark); err != nil {
		d.broken = true
		return nil, fmt.Errorf("gdb has ended: %w", err)
	}
	lines, err := d.until(ctx, mark)
	if ctx.Err() == nil || err == nil {
		return lines, err
	}
	// gdb interrupts a call by SIGINT for the server. If the call returns meanwhile, the server gets it when gdb has
	// detached, and ends. So the interrupt is for calls that do not return by themselves.
	if d.answersIn(ctx, mark, gdbPatience) {
		return nil, err
	}
	_ = d.command.Process.Signal(os.Interrupt)
	if !d.answersIn(ctx, mark, gdbGrace) {
		_ = d.command.Process.Kill()
		d.broken = true
	}
	return nil, err
}

// answersIn tells whether gdb answers, or ends, in time, though the context has ended.
func (d *debugger) answersIn(ctx context.Context, mark string, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	_, err := d.until(ctx, mark)
	return err == nil || d.broken
}

// maxAnswer is how many lines of one answer are kept.
const maxAnswer = 100_000

func (d *debugger) until(ctx context.Context, mark string) ([]string, error) {
	var lines []string
	for {
		select {
		case line, running := <-d.answers:
			if !running {
				d.broken = true
				return nil, errors.New("gdb has ended: " + lastOf(lines))
			}
			if line == mark {
				return lines, nil
			}
			if len(lines) < maxAnswer && line != "" {
				lines = append(lines, line)
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("gdb: %w", ctx.Err())
		}
	}
}

// result is what gdb prints for a value: "$1 = 140".
var result = regexp.MustCompile(`^\$\d+ = (-?\d+)$`)

// call calls the function at address in the selected thread.
func (d *debugger) call(ctx context.Context, address uint64, arguments ...int64) (int64, error) {
	types, values := make([]string, len(arguments)), make([]string, len(arguments))
	for n, argument := range arguments {
		types[n], values[n] = "long", strconv.FormatInt(argument, 10)
	}
	lines, err := d.do(ctx, fmt.Sprintf("print/d ((long (*)(%s)) %d)(%s)", strings.Join(types, ","), address, strings.Join(values, ",")))
	if err != nil {
		return 0, err
	}
	for _, line := range lines {
		if found := result.FindStringSubmatch(line); found != nil {
			return strconv.ParseInt(found[1], 10, 64)
		}
	}
	return 0, errors.New("gdb could not call a function: " + lastOf(lines))
}

// attach stops the process, and returns its threads: gdb's numbers by the kernel's.
func (d *debugger) attach(ctx context.Context, pid int) (map[int]int, error) {
	if lines, err := d.do(ctx, fmt.Sprintf("attach %d", pid)); err != nil {
		return nil, err
	} else if refused := attachError(lines); refused != nil {
		return nil, refused
	}
	lines, err := d.do(ctx, "info threads")
	if err != nil {
		return nil, err
	}
	threads := parseThreads(lines)
	if len(threads) == 0 {
		return nil, errors.New("gdb shows no threads: " + lastOf(lines))
	}
	return threads, nil
}

// attachError is gdb's reason not to attach, if it has one.
func attachError(lines []string) error {
	for _, line := range lines {
		switch {
		case strings.Contains(line, "Operation not permitted"):
			return errors.New("gdb may not attach: it takes the same user or root, CAP_SYS_PTRACE, and kernel.yama.ptrace_scope")
		case strings.Contains(line, "ptrace: "), strings.Contains(line, "unable to attach"), strings.Contains(line, "is already traced"):
			return errors.New("gdb could not attach: " + shorten(line))
		}
	}
	return nil
}

// aThread is a line of "info threads", such as `* 1    LWP 11500 "keep"  0x00007f in ?? ()` or one with
// "Thread 0x7f46 (LWP 11500)" or, of a process with one thread, "process 11500".
var aThread = regexp.MustCompile(`^\*?\s*(\d+)\s+(?:Thread 0x[0-9a-f]+ \()?(?:LWP|process) (\d+)\b`)

func parseThreads(lines []string) map[int]int {
	threads := make(map[int]int)
	for _, line := range lines {
		if found := aThread.FindStringSubmatch(line); found != nil {
			number, _ := strconv.Atoi(found[1])
			id, _ := strconv.Atoi(found[2])
			threads[id] = number
		}
	}
	return threads
}

// close ends gdb, which detaches it.
func (d *debugger) close() {
	_ = d.stdin.Close()
	ended := time.AfterFunc(gdbGrace, func() { _ = d.command.Process.Kill() })
	for range d.answers { // until it ends
	}
	_ = d.command.Wait()
	ended.Stop()
	os.RemoveAll(d.folder)
}

// sharedDebugger is one gdb for all processes of a server, which are asked in turn. It runs while a process is open.
type sharedDebugger struct {
	mu    sync.Mutex // held while gdb is used
	gdb   *debugger  // nil if none runs
	users int
}

// use calls f with gdb, which it starts if none runs. It ends gdb if that no longer answers: the next use starts another.
func (s *sharedDebugger) use(folder string, f func(*debugger) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gdb == nil {
		gdb, err := startDebugger(folder)
		if err != nil {
			return err
		}
		s.gdb = gdb
	}
	err := f(s.gdb)
	if s.gdb.broken {
		s.end()
	}
	return err
}

func (s *sharedDebugger) end() {
	if s.gdb != nil {
		s.gdb.close()
		s.gdb = nil
	}
}

// enter counts a process that is open, and leave ends gdb with the last one.
func (s *sharedDebugger) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
}

func (s *sharedDebugger) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.end()
	}
}

// lastOf is the last line, shortened.
func lastOf(lines []string) string {
	if len(lines) == 0 {
		return "it says nothing"
	}
	return shorten(lines[len(lines)-1])
}

func shorten(line string) string { return fmt.Sprintf("%.120q", line) }
