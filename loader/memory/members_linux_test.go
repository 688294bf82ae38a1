package memory

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAProcessThatReplacesItsProgramIsAnother(t *testing.T) {
	shell := run(t, `echo ready; read x; exec sh -c 'echo again; read x'`)
	before, _, err := memberOf(shell.Process.Pid)
	require.NoError(t, err)
	if before.Layout == [3]uint64{} {
		t.Skip("the layout of other processes may not be seen here")
	}
	again, _, err := memberOf(shell.Process.Pid)
	require.NoError(t, err)
	assert.True(t, before.Is(again))

	_, err = fmt.Fprintln(shell.stdin)
	require.NoError(t, err)
	shell.awaitLine(t)
	after, _, err := memberOf(shell.Process.Pid)
	require.NoError(t, err)
	assert.Equal(t, before.PID, after.PID)
	assert.Equal(t, before.Started, after.Started)
	assert.False(t, before.Is(after))
}

// Without randomisation of the address space the layout of a program that was started anew is that of the old one.
func TestAProcessThatReplacesItsProgramWithoutRandomisationIsAnother(t *testing.T) {
	if err := exec.Command("setarch", "-R", "true").Run(); err != nil {
		t.Skipf("setarch -R: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	script := `test "$LEFT" = 0 && exit
echo ready; read x; LEFT=$(($LEFT - 1)) exec setarch -R sh -c "$0" "$0"`
	shell := run(t, `echo ready; read x; export LEFT=3; exec setarch -R sh -c '`+script+`' '`+script+`'`)
	complete := members(os.Getpid(), 0)
	look := func() (found Member) {
		var reading Reading
		complete(t.Context(), &reading)
		for _, m := range reading.Members {
			if m.PID == shell.Process.Pid {
				found = m
			}
		}
		require.NotZero(t, found.PID)
		return found
	}
	look() // with randomisation, before the first execve
	again := func() Member {
		_, err := fmt.Fprintln(shell.stdin)
		require.NoError(t, err)
		shell.awaitLine(t)
		return look()
	}
	first := again()
	assert.True(t, first.Is(look()))
	for range 2 {
		second := again()
		assert.Equal(t, first.Layout, second.Layout, "this test needs it")
		assert.False(t, first.Is(second))
		assert.True(t, second.Is(look()))
		first = second
	}
}

// A process whose mappings are not seen, as those of a zombie, is never taken for another program.
func TestProgramsThatAreNotSeen(t *testing.T) {
	shell := run(t, "echo ready; read x")
	execs := func(seen programs) int {
		all := []Member{{PID: shell.Process.Pid}}
		seen.count(all)
		return all[0].Execs
	}
	before, seen := make(programs), make(programs)
	assert.Zero(t, execs(before))
	_, err := fmt.Fprintln(shell.stdin)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		maps := openProgram(shell.Process.Pid)
		_ = maps.Close() // of nil as well
		return maps == nil
	}, time.Minute, time.Millisecond)
	for range 2 {
		assert.Zero(t, execs(before))
		assert.Zero(t, execs(seen))
	}
	seen.count([]Member{{PID: os.Getpid()}})
	assert.Len(t, seen, 1, "a process that has ended is forgotten")
	seen.count([]Member{{PID: os.Getpid(), Started: 1}})
	assert.Len(t, seen, 1)
	assert.EqualValues(t, 1, seen[os.Getpid()].started)
	for n := range 2 * MostPrograms {
		seen[-n-1] = &program{}
	}
	all := []Member{{PID: os.Getppid()}}
	seen.count(all)
	assert.Empty(t, seen, "there were too many to watch one more")
}

// Files are for the connections of the load, however many processes a server has.
func TestFewFilesAreOpenForManyProcesses(t *testing.T) {
	many := run(t, fmt.Sprintf("exec 3<&0; for n in $(seq %d); do (read x <&3) & done; echo ready; read x", 2*MostPrograms))
	pids, err := Processes(many.Process.Pid)()
	require.NoError(t, err)
	complete := members(many.Process.Pid, 0)
	for range 2 {
		complete(t.Context(), new(Reading))
		open := 0
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		for _, entry := range entries {
			to, _ := os.Readlink("/proc/self/fd/" + entry.Name()) // it may be closed by now
			if slices.ContainsFunc(pids, func(pid int) bool { return to == fmt.Sprintf("/proc/%d/maps", pid) }) {
				open++
			}
		}
		assert.Equal(t, MostPrograms, open)
	}
}

func TestMembersAreKnownIfOneListens(t *testing.T) {
	child := run(t, "echo ready; read x").Process.Pid
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port

	listening := func(root, port int) map[int]bool {
		var reading Reading
		members(root, port)(t.Context(), &reading)
		pids := make(map[int]bool)
		for _, m := range reading.Members {
			pids[m.PID] = m.Listens
		}
		return pids
	}
	of := listening(os.Getpid(), port)
	assert.True(t, of[os.Getpid()])
	require.Contains(t, of, child)
	assert.False(t, of[child])
	assert.True(t, listening(os.Getpid(), 1)[os.Getpid()], "on another port, if none listens on that")
	assert.Empty(t, listening(child, port))
	require.NoError(t, listener.Close())
}

func TestProcessorTimeOfMembers(t *testing.T) {
	used := func() time.Duration {
		var reading Reading
		members(os.Getpid(), 0)(t.Context(), &reading)
		return reading.CPU
	}
	before := used()
	if before == 0 {
		t.Skip("this kernel does not tell how long threads run")
	}
	for sum, begin := 0, time.Now(); time.Since(begin) < 50*time.Millisecond; sum++ {
	}
	assert.Greater(t, used()-before, time.Millisecond)
}

// The kernel adds the time of an ended child to its parent, unless that ignores SIGCHLD.
func TestProcessorTimeThatMayBeLost(t *testing.T) {
	child := run(t, "echo ready; read x")
	complete := members(os.Getpid(), 0)
	lost := func() int {
		var reading Reading
		complete(t.Context(), &reading)
		return reading.Lost
	}
	assert.Equal(t, 0, lost())
	assert.Equal(t, 0, lost())
	_, err := fmt.Fprintln(child.stdin)
	require.NoError(t, err)
	require.NoError(t, child.Wait())
	assert.Equal(t, 1, lost(), "a process has ended")
	assert.Equal(t, 1, lost())
	signal.Ignore(syscall.SIGCHLD)
	ignoring := lost()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGCHLD) // which Reset alone does not do for an ignored signal
	signal.Reset(syscall.SIGCHLD)
	assert.Equal(t, 2, ignoring)
	assert.Equal(t, 2, lost())
}

// What a server has put into the background is a child of this program.
func TestAdoptedProcessesAreRead(t *testing.T) {
	root, other := run(t, "echo ready; read x").Process.Pid, run(t, "sh -c 'echo ready; read x'; true").Process.Pid
	adopted := func() []int { return []int{other, 1} }
	reading, err := OfTree(root, adopted)(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, reading.Processes, "one that is no child of this program is not read")
	pids, err := Processes(root, adopted)()
	require.NoError(t, err)
	assert.Subset(t, pids, []int{root, other})
}

// A main thread that ends while others go on takes its files and its layout with it.
func TestMembersWhoseMainThreadHasEnded(t *testing.T) {
	server := run(t, "exec "+compile(t, "testdata/main_ends.c"))
	m, _, err := memberOf(server.Process.Pid)
	require.NoError(t, err)
	before := m
	before.Layout = [3]uint64{1, 2, 3}
	assert.True(t, before.Is(m), "as it was before")
	pipes, err := show(server.Process.Pid)
	require.NoError(t, err)
	open, err := pipes.FileDescriptorTargets()
	require.NoError(t, err)
	assert.Equal(t, map[int]bool{80: true}, heldPorts(server.Process.Pid, map[string]int{open[0]: 80}))
}
