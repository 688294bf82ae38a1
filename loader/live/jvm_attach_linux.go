package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"leaklab/loader/kernel"
)

const (
	// attachSocketLimit is how long a JVM may take to open its socket, as jcmd waits.
	attachSocketLimit = 10 * time.Second
	// jvmStartLimit is how long a JVM that has just started may take until it handles SIGQUIT.
	jvmStartLimit = 3 * time.Second
	// attachPoll is the time between two looks.
	attachPoll = 20 * time.Millisecond
)

// attachment speaks HotSpot's attach protocol, version 1, which all versions of Java understand. A file .attach_pidN in
// /tmp and SIGQUIT make a JVM open the socket /tmp/.java_pidN; N is its number in its own PID namespace. It takes requests
// from its own user alone, or root. The protocol is that of sun.tools.attach.VirtualMachineImpl and attachListener_posix.cpp
// in OpenJDK.
type attachment struct {
	process process
	asked   *askedOnce
	started uint64 // of the process, in clock ticks since boot
	uid     int    // effective user and group of the process
	gid     int
	said    string
}

// socket is the name of the JVM's socket in its /tmp.
func (a *attachment) socket() string { return fmt.Sprintf(".java_pid%d", a.process.Inside) }

// open makes the JVM open its socket, if it has not yet.
func (a *attachment) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, jvmStartLimit+attachSocketLimit)
	defer cancel()
	target, err := os.FindProcess(a.process.PID) // holds the process, so that SIGQUIT reaches no other
	if err != nil {
		return err
	}
	defer target.Release()
	if err := a.identify(); err != nil {
		return err
	}
	if err := a.inTheWay(); err != nil {
		return err
	}
	connection, err := a.connect()
	if err == nil {
		a.said = "used its attach socket, which was open"
		return connection.Close()
	}
	if err := a.ready(ctx); err != nil {
		return err
	}
	if err := a.request(ctx, target); err != nil {
		return err
	}
	a.said = "opened its attach socket /tmp/" + a.socket() + " by SIGQUIT"
	return nil
}

// identify reads when the process started, and as whom it runs.
func (a *attachment) identify() error {
	process, err := procfs.NewProc(a.process.PID)
	if err != nil {
		return err
	}
	status, err := process.NewStatus()
	if err != nil {
		return err
	}
	const effective = 1
	a.started, _ = kernel.StartOf(a.process.PID) // 0 if that cannot be told
	a.uid, a.gid = int(status.UIDs[effective]), int(status.GIDs[effective])
	if user := os.Geteuid(); user != 0 && user != a.uid {
		return fmt.Errorf("it runs as user %d: run leaklab as that user or as root", a.uid)
	}
	return nil
}

// inTheWay is an error if the socket's name is taken by another user: a JVM that was killed leaves its socket, and a later
// process may get its number. A JVM removes such a file when it starts, if it may. If not, it can never open its socket: in
// /tmp only the owner of a file and root replace it.
func (a *attachment) inTheWay() error {
	root, err := os.OpenRoot(a.process.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Lstat("tmp/" + a.socket())
	if err != nil {
		return nil // there is none, or connecting tells why
	}
	if stat, known := info.Sys().(*syscall.Stat_t); known && int(stat.Uid) != a.uid {
		return fmt.Errorf("an earlier process left /tmp/%s, which belongs to user %d: remove that file", a.socket(), stat.Uid)
	}
	return nil
}

// ready checks that SIGQUIT would open the socket, and do nothing else. With -Xrs the socket is open from the start. It
// waits for a JVM that has just started.
func (a *attachment) ready(ctx context.Context) error {
	process, err := procfs.NewProc(a.process.PID)
	if err != nil {
		return err
	}
	if stat, err := process.Stat(); err != nil {
		return err
	} else if stat.State == "T" || stat.State == "t" {
		return notYet{errors.New("it is stopped (SIGSTOP or a debugger)")}
	}
	if attachDisabled(a.options()) {
		return errors.New("-XX:+DisableAttachMechanism forbids it")
	}
	for limit := time.Now().Add(jvmStartLimit); !a.servesQuit(); {
		if time.Now().After(limit) {
			return notYet{errors.New("it has no handler of SIGQUIT that opens one")}
		}
		if err := pause(ctx, attachPoll); err != nil {
			return err
		}
	}
	return nil
}

// servesQuit tells whether SIGQUIT is caught, and the thread is there that serves it in a JVM. The kernel cuts its name,
// Signal Dispatcher, to 15 characters.
func (a *attachment) servesQuit() bool {
	if !a.process.handles(int(unix.SIGQUIT)) {
		return false
	}
	return hasThread("Signal Dispatch")(a.process)
}

// options are the words of all options of the JVM, in the order in which it reads them.
func (a *attachment) options() []string {
	words := append(strings.Fields(a.process.environment("JAVA_TOOL_OPTIONS")), strings.Fields(a.process.environment("JDK_JAVA_OPTIONS"))...)
	words = append(words, a.process.arguments()...)
	words = append(words, strings.Fields(a.process.environment("_JAVA_OPTIONS"))...)
	var all []string
	for _, word := range words {
		all = append(all, word)
		for _, prefix := range []string{"@", "-XX:Flags=", "-XX:VMOptionsFile="} {
			if name, found := strings.CutPrefix(word, prefix); found {
				all = append(all, a.optionsFile(name)...)
			}
		}
	}
	return all
}

// optionsFile are the words of a file with options, named as the process sees it. It is empty if it cannot be read.
func (a *attachment) optionsFile(name string) []string {
	folder := a.process.Root
	if !filepath.IsAbs(name) {
		folder = kernel.Path(a.process.PID, "cwd")
	}
	// Never waits, should it be a pipe.
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(file, jvmAnswerLimit))
	words := strings.FieldsFunc(string(text), func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'", r) })
	for i, word := range words {
		if strings.HasPrefix(word, "+DisableAttach") || strings.HasPrefix(word, "-DisableAttach") { // as -XX:Flags has it
			words[i] = "-XX:" + word
		}
	}
	return words
}

// request leaves the file that makes SIGQUIT open the socket, sends it once, and waits for the socket. The file is removed
// again.
func (a *attachment) request(ctx context.Context, target *os.Process) error {
	folder, err := os.OpenRoot(a.process.Root)
	if err != nil {
		return err
	}
	defer folder.Close()
	trigger := fmt.Sprintf("tmp/.attach_pid%d", a.process.Inside)
	err = a.asItsUser(func() error {
		file, err := folder.OpenFile(trigger, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		return file.Close()
	})
	if errors.Is(err, os.ErrExist) {
		return notYet{fmt.Errorf("another program attaches to it now: /%s exists", trigger)}
	}
	if err != nil {
		return fmt.Errorf("its /tmp cannot be written: %w", err)
	}
	defer folder.Remove(trigger)
	if !a.asked.first(a.process.PID, a.started) {
		return errors.New("it did not open its attach socket before, and is not asked again")
	}
	if err := target.Signal(unix.SIGQUIT); err != nil {
		return err
	}
	for limit := time.Now().Add(attachSocketLimit); ; {
		connection, err := a.connect()
		if err == nil {
			return connection.Close()
		}
		if _, gone := os.Stat(a.process.Root); gone != nil {
			return gone
		}
		if time.Now().After(limit) || pause(ctx, attachPoll) != nil {
			return notYet{fmt.Errorf("it does not open its attach socket: %w", err)}
		}
	}
}

// command sends a command and lets consume read its answer, of at most limit bytes.
func (a *attachment) command(ctx context.Context, command string, limit int64, consume func(io.Reader) error) error {
	connection, err := a.connect()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	defer connection.Close()
	stop := context.AfterFunc(ctx, func() { _ = connection.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err = exchangeAttach(connection, command, limit, consume)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return nil
}

// exchangeAttach sends a request: the version of the protocol, its operation jcmd and always three arguments, each ended by a
// zero byte. The answer is a line with a code, 0 if all is well, and text until the end.
func exchangeAttach(connection io.ReadWriter, command string, limit int64, consume func(io.Reader) error) error {
	if _, err := io.WriteString(connection, "1\x00jcmd\x00"+command+"\x00\x00\x00"); err != nil {
		return err
	}
	var code []byte
	for next := make([]byte, 1); len(code) < 16; code = append(code, next[0]) {
		if _, err := io.ReadFull(connection, next); err != nil {
			return fmt.Errorf("no answer: %w", err)
		}
		if next[0] == '\n' {
			break
		}
	}
	answer := &io.LimitedReader{R: connection, N: limit}
	if string(code) != "0" {
		text, _ := io.ReadAll(io.LimitReader(answer, 200))
		return fmt.Errorf("refused with %q: %q", code, text)
	}
	err := consume(answer)
	if answer.N <= 0 {
		return fmt.Errorf("its answer is longer than %d MiB", limit>>20)
	}
	return err
}

// connect connects to the socket of the JVM, as its user.
func (a *attachment) connect() (net.Conn, error) {
	root, err := os.OpenRoot(a.process.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	folder, err := root.Open("tmp")
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	socket := os.NewFile(uintptr(fd), "attach socket")
	defer socket.Close()
	address := fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), a.socket())
	err = a.asItsUser(func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: address}) })
	if err != nil {
		return nil, fmt.Errorf("connect to /tmp/%s: %w", a.socket(), err)
	}
	return net.FileConn(socket)
}

// identityMu is held while a thread has another identity.
var identityMu sync.Mutex

// asItsUser runs do with the effective user and group of the process, if this program runs as root. Otherwise it is the
// same user. A JVM checks who owns the file and who connects; in a user namespace it does not know root of outside. Only
// one thread is changed, by the system calls themselves: Go's functions change all of them.
func (a *attachment) asItsUser(do func() error) error {
	user, group := os.Geteuid(), os.Getegid()
	if user != 0 || user == a.uid && group == a.gid {
		return do()
	}
	identityMu.Lock() // PR_SET_DUMPABLE is of the whole program
	defer identityMu.Unlock()
	result := make(chan error, 1)
	go func() {
		goruntime.LockOSThread() // without an unlock the thread ends with this function
		dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		err := becomeOnThread(unix.SYS_SETRESGID, a.gid)
		if err == nil {
			err = becomeOnThread(unix.SYS_SETRESUID, a.uid)
		}
		if err == nil {
			err = do()
		}
		back := errors.Join(becomeOnThread(unix.SYS_SETRESUID, user), becomeOnThread(unix.SYS_SETRESGID, group))
		// The change has made /proc/self of the whole program unreadable to its user.
		back = errors.Join(back, unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(dumpable), 0, 0, 0))
		if back == nil {
			goruntime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}

// becomeOnThread sets the effective identity of this thread by setresuid or setresgid. The real and saved ones stay.
func becomeOnThread(call uintptr, id int) error {
	const same = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(call, same, uintptr(id), same); errno != 0 {
		return errno
	}
	return nil
}

// freeingThreads are those of a JVM that free memory of collected objects outside of the heap, such as direct buffers and
// Inflaters, and the compilers, which take megabytes while they work. The kernel cuts names to 15 characters.
func freeingThreads() []string {
	return []string{"Reference Handl", "Finalizer", "Common-Cleaner", "C1 CompilerThre", "C2 CompilerThre"}
}

// awaitIdle waits until the freeing threads have slept for a while. It waits for at least 60 ms and at most 2 s.
func (a *attachment) awaitIdle(ctx context.Context) error {
	const idleLooks, looks = 3, 100
	last, idle := uint64(0), -1
	for range looks {
		worked, busy := a.freeing()
		if idle++; busy || worked != last {
			last, idle = worked, 0
		}
		if idle == idleLooks {
			break
		}
		if err := pause(ctx, attachPoll); err != nil {
			return err
		}
	}
	return nil
}

// freeing returns how long the freeing threads have been on a processor, in nanoseconds, and tells whether one runs or waits
// for a processor now.
func (a *attachment) freeing() (worked uint64, busy bool) {
	names, _ := filepath.Glob(kernel.Path(a.process.PID, "task/*/comm"))
	for _, name := range names {
		comm, _ := os.ReadFile(name)
		if !slices.Contains(freeingThreads(), strings.TrimSpace(string(comm))) {
			continue
		}
		schedule, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "schedstat"))
		ran, _, _ := strings.Cut(string(schedule), " ")
		nanoseconds, _ := strconv.ParseUint(ran, 10, 64) // 0 where the kernel does not tell
		worked += nanoseconds
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "stat"))
		_, state, _ := strings.Cut(string(stat), ") ")
		busy = busy || strings.HasPrefix(state, "R")
	}
	return worked, busy
}
