package live

import (
	"bufio"
	"context"
	"crypto/rand"
	_ "embed" // of hook/sitecustomize.py
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
)

const (
	// pythonFolder is the folder of the hook, in that of the run, and pythonName the file in it that names its sockets.
	pythonFolder, pythonName = "python", "name"
	// pythonAnswer is the most that is read of an answer: malloc's statistics take about 10 KB for each of its arenas.
	pythonAnswer = 16 << 20
	// pythonStart is how long a process may take until its hook listens.
	pythonStart = 2 * time.Second
)

//go:embed hook/sitecustomize.py
var pythonHook string

var (
	errPythonAttached = errors.New("not available: only a CPython server that is launched for the run can be asked")
	errPythonHook     = notYet{errors.New("its hook does not answer: with -I, -E or -S, or without PYTHONPATH in its environment, Python does not load it")}
)

var (
	pythonProgram = regexp.MustCompile(`^python(3(\.\d+)?[a-z]*)?$`)
	pythonLibrary = regexp.MustCompile(`^libpython3\.\d+[a-z]*\.so\b`)
)

// python is CPython 3.8 and newer with glibc's malloc. A sitecustomize that PYTHONPATH leads to answers on a socket.
func python() runtime {
	return runtime{
		kind:        Python,
		collects:    true,
		runs:        runsPython,
		launch:      launchPython,
		never:       "CPython tells it only if the run starts the server",
		open:        openPython,
		stopAtLeast: 5 * time.Millisecond,
		stopPerGiB:  time.Second,
	}
}

func runsPython(p process) bool {
	if pythonProgram.MatchString(filepath.Base(p.Exe)) {
		return true
	}
	for _, path := range p.Mapped {
		if pythonLibrary.MatchString(filepath.Base(path)) {
			return true
		}
	}
	return false
}

// launchPython writes the hook into the folder of the run, and puts its folder in front of PYTHONPATH.
func launchPython(environment []string, o Options) ([]string, error) {
	folder, err := filepath.Abs(filepath.Join(o.Folder, pythonFolder))
	if err != nil {
		return nil, err
	}
	if strings.Contains(folder, ":") {
		return nil, fmt.Errorf(`expected a folder of results without ":" in its path, for PYTHONPATH; got %q`, folder)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	name := "leaklab-" + rand.Text()
	hook := strings.Replace(pythonHook, `NAME = ""`, fmt.Sprintf("NAME = %q", name), 1)
	if err := os.WriteFile(filepath.Join(folder, "sitecustomize.py"), []byte(hook), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, pythonName), []byte(name), 0o600); err != nil {
		return nil, err
	}
	path := folder
	for _, variable := range environment {
		if value, found := strings.CutPrefix(variable, "PYTHONPATH="); found {
			if path = folder; value != "" {
				path += ":" + value
			}
		}
	}
	return []string{"PYTHONPATH=" + path}, nil
}

// pythonProcess is a process whose hook answers.
type pythonProcess struct {
	pid     int
	address string
	chunks  int64 // malloc's, of the last reading in which they had changed by more than threads keep
	traces  bool  // its hook may have started tracemalloc
}

// pythonThreadNoise is how much a thread of its own keeps of freed chunks, which malloc counts as in use: up to seven of each
// of 64 sizes (tcache, glibc 2.26 and newer). With 100 threads these were still growing after 18,000 requests.
const pythonThreadNoise = 8 << 10

// openPython waits until the hook of a process that has just begun listens.
func openPython(ctx context.Context, p process, o Options) (opened, error) {
	if o.Folder == "" {
		return nil, errPythonAttached
	}
	name, err := os.ReadFile(filepath.Join(o.Folder, pythonFolder, pythonName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errPythonAttached
	}
	if err != nil {
		return nil, err
	}
	asked := &pythonProcess{pid: p.PID, address: fmt.Sprintf("@%s-%d", name, p.Inside)}
	answer, err := asked.ask(ctx, "?")
	if err != nil {
		return nil, err
	}
	if answer.head["ready"] == "" {
		return nil, errors.New("its hook answers with something else")
	}
	return asked, nil
}

// said is nothing: what was put into the environment is told already.
func (a *pythonProcess) said() string { return "" }

// close stops tracemalloc, if a load was to be named whose end has not come. The hook holds nothing else between two
// questions.
func (a *pythonProcess) close(ctx context.Context) error { return a.untrace(ctx) }

func (a *pythonProcess) live(ctx context.Context) (memory.Live, error) {
	answer, err := a.ask(ctx, "!")
	if err != nil {
		return memory.Live{}, err
	}
	heap, err := answer.heap()
	if err != nil {
		return memory.Live{}, err
	}
	stopped, err := answer.number("stopped")
	if err != nil {
		return memory.Live{}, err
	}
	a.chunks = steady(a.chunks, heap.chunks, pythonThreadNoise*int64(threadsOf(a.pid)-1))
	read := memory.Live{
		Bytes:     heap.blocks + a.chunks,
		Committed: heap.committed(),
		Heap:      heap.committed(),
		Stopped:   time.Duration(stopped),
		Forced:    "gc.collect()",
		Processes: 1,
	}
	if answer.head["rounds"] == "0" {
		read.Forced = "no collection, as the server has switched off gc"
	}
	if spans, err := anonymousOf(a.pid); err == nil {
		read.Heap = heap.resident(spans)
	}
	return read, nil
}

// threadsOf is how many threads a process has; 1 if that cannot be read.
func threadsOf(pid int) int {
	tasks, err := os.ReadDir(kernel.Path(pid, "task"))
	if err != nil {
		return 1
	}
	return len(tasks)
}

// pythonReply is the answer of a hook: its first line, and statistics.
type pythonReply struct {
	head                  map[string]string
	sites, python, malloc []byte
}

// number returns a size or a time of the first line.
func (r pythonReply) number(key string) (int64, error) {
	n, err := strconv.ParseUint(r.head[key], 10, 62)
	if err != nil {
		return 0, fmt.Errorf("its hook answers %s=%q", key, r.head[key])
	}
	return int64(n), nil
}

// ask asks the hook. The error wraps memory.ErrGone if the process has ended. A hook that does not listen, or leaves before
// it answers, is tried again for a while: it may just begin, or is away while the process forks. The pauses grow, for each
// question may cost a collection.
func (a *pythonProcess) ask(ctx context.Context, request string) (pythonReply, error) {
	until := time.Now().Add(pythonStart)
	for rest := 20 * time.Millisecond; ; rest *= 2 {
		reply, err := a.askOnce(ctx, request)
		if !isNotYet(err) || time.Now().After(until) {
			return reply, err
		}
		if err := pause(ctx, rest); err != nil {
			return pythonReply{}, err
		}
	}
}

// askOnce connects and asks. The error is notYet if nothing listens, or if it leaves before it answers.
func (a *pythonProcess) askOnce(ctx context.Context, request string) (pythonReply, error) {
	connection, err := new(net.Dialer).DialContext(ctx, "unix", a.address)
	switch {
	case err == nil:
		return a.talk(ctx, connection, request)
	case ctx.Err() != nil:
		return pythonReply{}, context.Cause(ctx)
	case hasEnded(a.pid):
		return pythonReply{}, fmt.Errorf("process %d: %w", a.pid, memory.ErrGone)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EAGAIN):
		return pythonReply{}, errPythonHook
	}
	return pythonReply{}, fmt.Errorf("its hook: %w", err)
}

// talk sends a request and reads the answer. Whoever else listens at the address is not asked.
func (a *pythonProcess) talk(ctx context.Context, connection net.Conn, request string) (pythonReply, error) {
	defer connection.Close()
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	defer stop()
	peer, err := peerOf(connection)
	if err != nil {
		return pythonReply{}, fmt.Errorf("its hook: %w", err)
	}
	if peer != a.pid {
		return pythonReply{}, fmt.Errorf("process %d listens in its place, and is not asked", peer)
	}
	var reply pythonReply
	if _, err = io.WriteString(connection, request); err == nil {
		reply, err = readPython(io.LimitReader(connection, pythonAnswer))
	}
	switch {
	case err == nil && reply.head["error"] != "":
		return reply, errors.New(reply.head["error"])
	case err == nil:
		return reply, nil
	case ctx.Err() != nil:
		return reply, fmt.Errorf("its hook has not answered: %w", context.Cause(ctx))
	case hasEnded(a.pid):
		return reply, fmt.Errorf("process %d: %w", a.pid, memory.ErrGone)
	case len(reply.head) == 0:
		return reply, notYet{fmt.Errorf("its hook: %w", err)}
	}
	return reply, fmt.Errorf("its hook: %w", err)
}

// readPython reads an answer: a line "stopped=1200 sites=0 python=2618 malloc=1780", then as many bytes of traces and of
// statistics. What follows "error=" is text up to the end of the line.
func readPython(answer io.Reader) (pythonReply, error) {
	reply := pythonReply{head: make(map[string]string)}
	lines := bufio.NewReader(answer)
	line, err := lines.ReadSlice('\n')
	if err != nil {
		return reply, fmt.Errorf("an answer without a line: %w", err)
	}
	head := strings.TrimSpace(string(line))
	if text, found := strings.CutPrefix(head, "error="); found {
		reply.head["error"] = strconv.QuoteToGraphic(text)
		reply.head["error"] = strings.Trim(reply.head["error"], `"`)
		return reply, nil
	}
	for _, field := range strings.Fields(head) {
		key, value, _ := strings.Cut(field, "=")
		reply.head[key] = value
	}
	if reply.head["ready"] != "" {
		return reply, nil
	}
	if reply.head["sites"] == "" {
		reply.head["sites"] = "0"
	}
	for _, part := range []struct {
		key  string
		text *[]byte
	}{{"sites", &reply.sites}, {"python", &reply.python}, {"malloc", &reply.malloc}} {
		size, err := reply.number(part.key)
		if err != nil {
			return reply, err
		}
		if size > pythonAnswer {
			return reply, fmt.Errorf("an answer of %d bytes; the most that is read is %d", size, pythonAnswer)
		}
		*part.text = make([]byte, size)
	}
	for _, text := range [][]byte{reply.sites, reply.python, reply.malloc} {
		if _, err := io.ReadFull(lines, text); err != nil {
			return reply, fmt.Errorf("an answer that ends too early: %w", err)
		}
	}
	return reply, nil
}
