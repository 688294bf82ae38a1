package subject

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inBackground is a script that puts a process, which runs program, into the background, and goes on without it.
func inBackground(program string) string {
	return "(setsid " + program + " >/dev/null 2>&1 &); exec sleep 1000"
}

// orphanOf waits for a child of this program that runs the command, other than the server.
func orphanOf(t *testing.T, server *Process, command string) (orphan int) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, child := range descendants(os.Getpid()) {
			if line, _ := child.Cmdline(); line == command && parentOf(int(child.Pid)) == os.Getpid() && int(child.Pid) != server.PID {
				orphan = int(child.Pid)
				return true
			}
		}
		return false
	}, time.Minute, 10*time.Millisecond)
	return orphan
}

func TestStopEndsWhatWentIntoTheBackground(t *testing.T) {
	p, _ := launch(t, inBackground("sleep 1001"))
	orphan := orphanOf(t, p, "sleep 1001")
	followed, err := p.Follow(orphan)
	require.NoError(t, err)
	assert.True(t, followed)
	assert.Equal(t, []int{orphan}, p.Orphans())
	followed, err = p.Follow(orphan)
	require.NoError(t, err)
	assert.True(t, followed)
	assert.Len(t, p.Orphans(), 1, "once is enough")

	followed, err = p.Follow(os.Getppid())
	require.NoError(t, err)
	assert.False(t, followed, "it does not descend from this program")

	require.NoError(t, p.Stop())
	assert.False(t, alive(orphan))
}

// A wrapper may start several daemons, of which one listens. What this program has started itself is not the server's.
func TestAllThatWentIntoTheBackgroundIsAdopted(t *testing.T) {
	before := exec.Command("sleep", "1007")
	before.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	require.NoError(t, before.Start())
	tool := exec.Command("sleep", "1008")
	tool.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	time.Sleep(20 * time.Millisecond) // two ticks
	p, _ := launch(t, "(setsid sleep 1005 >/dev/null 2>&1 &); (sleep 1006 >/dev/null 2>&1 &); exec sleep 1000")
	require.NoError(t, tool.Start())
	t.Cleanup(func() {
		for _, own := range []*exec.Cmd{before, tool} {
			_ = own.Process.Kill()
			_ = own.Wait()
		}
	})
	session, group := orphanOf(t, p, "sleep 1005"), orphanOf(t, p, "sleep 1006")
	assert.ElementsMatch(t, []int{session, group}, p.Orphans())
	require.NoError(t, p.Stop())
	assert.False(t, alive(session))
	assert.False(t, alive(group))
	assert.True(t, alive(before.Process.Pid))
	assert.True(t, alive(tool.Process.Pid))
}

// The last server that is stopped takes with it what may be of either.
func TestWhatSeveralServersPutIntoTheBackground(t *testing.T) {
	first, _ := launch(t, "exec sleep 1000")
	second, _ := launch(t, "(setsid sleep 1009 >/dev/null 2>&1 &); (sleep 1010 >/dev/null 2>&1 &); exec sleep 1000")
	session, group := orphanOf(t, second, "sleep 1009"), orphanOf(t, second, "sleep 1010")
	assert.Empty(t, first.Orphans())
	assert.Equal(t, []int{group}, second.Orphans())
	require.NoError(t, second.Stop())
	assert.True(t, alive(session))
	require.NoError(t, first.Stop())
	assert.False(t, alive(session))
}

// What an orphan has inherited tells whose it is.
func TestWhatOneOfSeveralServersPutIntoTheBackgroundIsAdopted(t *testing.T) {
	launchAt := func(port, script string) *Process {
		p, err := Launch([]string{"sh", "-c", script}, append(os.Environ(), "PORT="+port), io.Discard)
		require.NoError(t, err)
		t.Cleanup(func() { _ = p.Stop() })
		return p
	}
	first := launchAt("8001", inBackground("sleep 1012"))
	second := launchAt("8002", "(setsid sleep 1013 >/dev/null 2>&1 &); (setsid env -i sleep 1014 >/dev/null 2>&1 &); exec sleep 1000")
	ofFirst, ofSecond := orphanOf(t, first, "sleep 1012"), orphanOf(t, second, "sleep 1013")
	unknown := orphanOf(t, second, "sleep 1014")
	assert.Equal(t, []int{ofFirst}, first.Orphans())
	assert.Equal(t, []int{ofSecond}, second.Orphans())
	require.NoError(t, second.Stop())
	assert.False(t, alive(ofSecond))
	assert.True(t, alive(ofFirst))
	require.NoError(t, first.Stop())
	assert.False(t, alive(ofFirst))
	assert.False(t, alive(unknown), "the last server takes it with it")
}

func TestVariablesThatAreShared(t *testing.T) {
	one, other := variablesOf([]string{"PORT=1", "A=1", "PORT=2", "ONLY="}), variablesOf([]string{"PORT=3", "A=1"})
	for line, shared := range map[string]bool{"PORT=2": true, "PORT=1": false, "PORT=3": false, "A=1": false, "ONLY=": true, "ONLY=1": false} {
		assert.Equal(t, shared, variablesOf([]string{line}).share(one, other), line)
	}
	assert.False(t, variables(nil).share(one, other))
	assert.Contains(t, environmentOf(os.Getpid()), "PATH")
	assert.Empty(t, environmentOf(1<<30))
}

// One that may not be signalled does not keep the others.
func TestStopEndsTheOthersIfTheGroupMayNotBeSignalled(t *testing.T) {
	p, _ := launch(t, inBackground("sleep 1011"))
	orphan := orphanOf(t, p, "sleep 1011")
	kill := killGroup
	killGroup = func(int, syscall.Signal) error { return syscall.EPERM }
	err := p.Stop()
	killGroup = kill
	assert.ErrorIs(t, err, syscall.EPERM)
	assert.False(t, alive(orphan))
}

// The time of the boot changes by a second with the clock of the machine.
func TestAProcessRunsWhateverTheClock(t *testing.T) {
	sleep := exec.Command("sleep", "1000")
	require.NoError(t, sleep.Start())
	t.Cleanup(func() { _ = sleep.Process.Kill(); _ = sleep.Wait() })
	pid := strconv.Itoa(sleep.Process.Pid)
	p, err := knownOf(sleep.Process.Pid)
	require.NoError(t, err)
	proc := t.TempDir()
	require.NoError(t, os.Symlink("/proc/"+pid, proc+"/"+pid))
	require.NoError(t, os.WriteFile(proc+"/stat", []byte("btime 1000000000\n"), 0o600))
	require.NoError(t, os.WriteFile(proc+"/uptime", []byte("1.0 1.0\n"), 0o600))
	t.Setenv("HOST_PROC", proc)
	assert.True(t, running(p))
	p.started++
	assert.False(t, running(p), "another process with the same PID")
}

func TestWhatWentIntoTheBackgroundIsNotLeftWhenTheLoaderIsKilled(t *testing.T) {
	t.Setenv(asFollower, "sleep 1002")
	loader, server := startLoader(t, "SIGKILL", inBackground("sleep 1002"))
	orphan := int(descendantWith(t, loader.Process.Pid, "sleep 1002"))
	require.NoError(t, loader.Process.Kill())
	require.Error(t, loader.Wait())
	assertGroupEnds(t, server)
	assert.Eventually(t, func() bool { return !alive(orphan) }, time.Minute, 10*time.Millisecond)
}

// descendantWith is the descendant of pid with that command line.
func descendantWith(t *testing.T, pid int, command string) int32 {
	t.Helper()
	for _, child := range descendants(pid) {
		if line, _ := child.Cmdline(); line == command {
			return child.Pid
		}
	}
	t.Fatalf("no descendant of %d runs %q", pid, command)
	return 0
}

func TestOrphansThatEndAreNoZombies(t *testing.T) {
	p, _ := launch(t, inBackground("sleep 1003"))
	orphan := orphanOf(t, p, "sleep 1003")
	require.NoError(t, syscall.Kill(orphan, syscall.SIGKILL))
	assert.Eventually(t, func() bool { return syscall.Kill(orphan, 0) != nil }, time.Minute, 10*time.Millisecond, "a zombie can be signalled")
}

// A descendant in another group that is stopped goes on, to end by itself.
func TestStopWakesStoppedDescendants(t *testing.T) {
	ended := t.TempDir() + "/ended"
	p, _ := launch(t, `setsid sh -c "trap 'echo >`+ended+`; exit' TERM; while :; do sleep 0.1; done" & wait`)
	stray := strayOf(t, p.PID)
	require.NoError(t, syscall.Kill(stray, syscall.SIGSTOP))
	require.NoError(t, p.Stop())
	assert.FileExists(t, ended)
}

// Whoever traces a process hears of its end first: until then its parent waits in vain, as it does for one that is frozen.
func TestStopDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	p, err := Launch([]string{"sleep", "1000"}, nil, nil)
	require.NoError(t, err)
	executable, err := os.Executable()
	require.NoError(t, err)
	tracer := exec.Command(executable)
	tracer.Env = append(os.Environ(), asTracer+"="+strconv.Itoa(p.PID))
	output, err := tracer.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, tracer.Start())
	said := make([]byte, 64)
	n, err := output.Read(said)
	require.NoError(t, err)
	if text := string(said[:n]); text != "traces\n" {
		_ = tracer.Wait()
		require.NoError(t, p.Stop())
		t.Skip("tracing is not permitted here: ", strings.TrimSpace(text))
	}
	assert.ErrorContains(t, p.Stop(), "process "+strconv.Itoa(p.PID)+" has not ended 5s after SIGKILL: it is frozen, traced, or stuck in the kernel")
	require.NoError(t, tracer.Process.Kill())
	_ = tracer.Wait()
	<-p.Exited()
}

// The variables that make the test binary another program.
const (
	asFollower = "LEAKLAB_TEST_FOLLOWER" // a loader that follows the child with this command line
	asTracer   = "LEAKLAB_TEST_TRACER"   // a program that traces this process until it is killed
	asMaster   = "LEAKLAB_TEST_MASTER"   // a master whose worker listens; "group" starts it in another process group
	asWorker   = "LEAKLAB_TEST_WORKER"   // its worker, which prints its address
)

// asHelper makes the test binary a tracer, a master or a worker. It is false if it is none.
func asHelper() bool {
	switch {
	case os.Getenv(asTracer) != "":
		runtime.LockOSThread()
		pid, _ := strconv.Atoi(os.Getenv(asTracer))
		if err := syscall.PtraceAttach(pid); err != nil {
			fmt.Println(err)
			return true
		}
		fmt.Println("traces")
	case os.Getenv(asWorker) != "":
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Println(listener.Addr())
	case os.Getenv(asMaster) != "":
		worker := exec.Command(os.Args[0])
		worker.Env = append(os.Environ(), asWorker+"=yes")
		worker.Stdout = os.Stdout
		worker.SysProcAttr = &syscall.SysProcAttr{Setpgid: os.Getenv(asMaster) == "group", Pdeathsig: syscall.SIGKILL}
		runtime.LockOSThread() // whose end would be the parent's death
		if err := worker.Start(); err != nil {
			panic(err)
		}
	default:
		return false
	}
	time.Sleep(time.Hour)
	return true
}

// followNamed follows the child with the command line that asFollower names, if it names one.
func followNamed(p *Process) {
	for command := os.Getenv(asFollower); command != ""; time.Sleep(10 * time.Millisecond) {
		for _, child := range descendants(os.Getpid()) {
			if line, _ := child.Cmdline(); line == command && parentOf(int(child.Pid)) == os.Getpid() {
				if _, err := p.Follow(int(child.Pid)); err != nil {
					panic(err)
				}
				return
			}
		}
	}
}

// The master of a worker that listens does not listen itself. What a supervisor starts is in another process group.
func TestMasterOfAWorkerThatListens(t *testing.T) {
	for how, wantMaster := range map[string]bool{"same": true, "group": false} {
		t.Run(how, func(t *testing.T) {
			master := exec.Command(os.Args[0])
			master.Env = append(os.Environ(), asMaster+"="+how)
			output, err := master.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, master.Start())
			t.Cleanup(func() { _ = StopTree(master.Process.Pid); _ = master.Wait() })
			address, err := bufio.NewReader(output).ReadString('\n')
			require.NoError(t, err)
			pid, err := FindListener(t.Context(), strings.TrimSpace(address))
			require.NoError(t, err)
			assert.Equal(t, wantMaster, pid == master.Process.Pid)
			if !wantMaster {
				assert.Equal(t, master.Process.Pid, parentOf(pid), "the worker")
			}
		})
	}
}

// lateExit is a server whose first thread ends while another one listens, and prints its port.
const lateExit = `
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
static void *serve(void *unused) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1)) return 0;
	getsockname(listener, (struct sockaddr *)&address, &size);
	sleep(1);
	printf("127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	sleep(1000);
	return 0;
}
int main(void) {
	pthread_t thread;
	pthread_create(&thread, 0, serve, 0);
	pthread_exit(0);
}
`

// Such a process is a zombie by its state.
func TestServerWhoseFirstThreadHasEnded(t *testing.T) {
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("there is no C compiler here")
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(folder+"/server.c", []byte(lateExit), 0o600))
	output, err := exec.Command(compiler, "-pthread", "-o", folder+"/server", folder+"/server.c").CombinedOutput()
	require.NoError(t, err, string(output))
	server := exec.Command(folder + "/server")
	stdout, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill() })
	address, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	address = strings.TrimSpace(address)
	pid, err := FindListener(t.Context(), address)
	require.NoError(t, err)
	assert.Equal(t, server.Process.Pid, pid)

	require.NoError(t, StopTree(pid))
	require.Error(t, server.Wait())
	assert.False(t, Listening(address))
}
