// Package live reads what a server still holds after a full collection, as its runtimes tell it: live memory. There is a
// file for each runtime. A server is never changed on disk; what is put into its environment, opened or sent is told by
// Said. The package knows nothing of load, iterations or verdicts.
package live

import (
	"context"
	"errors"
	"io"
	"time"

	"leaklab/loader/memory"
)

// Kind is a runtime whose live memory can be read, or how one is chosen.
type Kind string

// The kinds, as the setting LIVE has them.
const (
	Auto     Kind = "auto" // whatever the processes run
	Off      Kind = "off"
	Go       Kind = "go"
	Node     Kind = "node"
	JVM      Kind = "jvm"
	Python   Kind = "python"
	Native   Kind = "native"   // glibc's malloc, asked by gdb
	TCMalloc Kind = "tcmalloc" // the server is launched with tcmalloc's heap profiler
	Jemalloc Kind = "jemalloc" // that the server has, asked by gdb
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Auto, Off, Go, Node, JVM, Python, Native, TCMalloc, Jemalloc} }

// Source reads the live memory of a server: of all its processes whose runtime tells it.
type Source interface {
	// Live forces a full collection and returns what is held after it. The error wraps ErrNone if no process of the server
	// has a runtime that can be asked.
	Live(ctx context.Context) (memory.Live, error)
	// Close closes what was opened in the server.
	Close(ctx context.Context) error
}

// Namer is a Source that can name what is kept of one more iteration of load, at a cost that no judged iteration should
// have.
type Namer interface {
	// Names tells if a process has a runtime that names anything beyond what Live tells.
	Names() bool
	// Name prepares the server before that load. The function that it returns is called after the load: it names what is
	// kept of it, the largest first, and leaves the server as it was. Both errors say in a few words why nothing is named.
	// That of Name wraps ErrNone if the server names nothing more after all, as a program that was built without what it takes.
	Name(ctx context.Context, save Save) (func(ctx context.Context) (Naming, error), error)
}

// Save writes a file into the folder of the run: a profile in the runtime's own format.
type Save func(name string, write func(io.Writer) error) error

// Naming is what is kept of one iteration, by site.
type Naming struct {
	// Sites hold Bytes and Objects that this load has left behind. Where a runtime tells objects, but not how many bytes the
	// load has left, both are 0: the site tells the place and the holders of a class that grows.
	Sites []memory.Site
	// Sampled is true if Bytes and Objects of all Sites are estimated from a sample.
	Sampled bool
	// SampledEvery is how many bytes lie between two samples, on average; 0 if Sampled is false, or if it is not known.
	SampledEvery int64
	// Files are what Save has written, with the command that opens each.
	Files []ProfileFile
}

// ProfileFile is a profile in the runtime's own format.
type ProfileFile struct {
	Name string // in the folder of the run
	Open string // a command that shows it: "go tool pprof heap.pb.gz"
}

// namer is an opened process that can name what is kept of one more iteration. It is Namer's, for one process. An error that
// wraps ErrNone tells that this one cannot.
type namer interface {
	name(ctx context.Context, save Save) (func(ctx context.Context) (Naming, error), error)
}

// ErrNone is the error when no process has a runtime that can be asked.
var ErrNone = errors.New("no process has a runtime whose live memory can be read")

// Options are what the runtimes need to know.
type Options struct {
	Kind     Kind
	Folder   string // of the run, for private files such as sockets; it exists
	PprofURL string // of a Go server, ends in /debug/pprof/; empty if it shows none
	NoSites  bool   // what live memory belongs to is not asked for; a runtime may tell it all the same
	Snapshot bool   // Name has Node write a snapshot of its heap too, which takes minutes and as much memory again
}

// process is a process of the server, and what can be told of it without its help.
type process struct {
	PID    int      // as this program sees it
	Inside int      // its number in its own PID namespace
	Root   string   // its root folder, as this program sees it: /proc/PID/root
	Exe    string   // path of its program, as the process sees it
	Mapped []string // paths of the files that it maps, as the process sees them
	began  identity // what it was then
}

// runtime is one kind of runtime. Each has a file.
type runtime struct {
	kind Kind
	// collects is true if it collects garbage, so that resident memory holds what is not kept.
	collects bool
	// defers is true if it lets garbage fill the heap up to a limit before it collects all of it.
	defers bool
	// runs tells if the process runs it.
	runs func(p process) bool
	// launch returns the variables that a server needs in its environment, beside those of environment, to be opened later.
	// Nil if it needs none.
	launch func(environment []string, o Options) ([]string, error)
	// open makes a process ready to be asked. It waits for a few seconds for one that has just started. The error says in a
	// few words why it cannot be asked, for the user. It wraps notYet if that may change.
	open func(ctx context.Context, p process, o Options) (opened, error)
	// tells is what reading it would tell of a server that was running before, in a few words; empty if nothing.
	tells string
	// never is why a server that was running before cannot be asked; empty if it can.
	never string
	// A reading stops a process for stopAtLeast and, for each GiB of its memory, stopPerGiB, about.
	stopAtLeast, stopPerGiB time.Duration
}

// notYet is the error of a process that may still be starting, or is busy: it may be asked later.
type notYet struct{ error }

func (e notYet) Unwrap() error { return e.error }

func isNotYet(err error) bool {
	var later notYet
	return errors.As(err, &later)
}

// pause waits. It fails with the cause of a context that ends meanwhile.
func pause(ctx context.Context, rest time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(rest):
		return nil
	}
}

// opened is a process that can be asked.
type opened interface {
	// live forces a full collection, and returns what the process holds. The error wraps memory.ErrGone if it has ended.
	live(ctx context.Context) (memory.Live, error)
	// close closes what was opened in the process, if it still runs the same program, and frees what this program keeps for it.
	close(ctx context.Context) error
	// said is what was opened or sent, for the user: "opened the inspector on 127.0.0.1:41234 by SIGUSR1".
	said() string
}

// runtimes are all that can be asked, the more special first.
func runtimes() []runtime {
	return []runtime{jvm(), node(), python(), golang(), tcmalloc(), jemalloc(), native()}
}
