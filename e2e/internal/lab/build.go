package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Paths as the tests see them: from the folder of a package directly below e2e.
const (
	Root   = "../.."              // the checkout
	Script = Root + "/test-me.sh" // runs the lab without Docker; it builds both programs once more
	built  = "../.build"          // what these tests build; it is inside of their module, see uncached
	Server = built + "/server"    // the demo server
	Loader = built + "/loader"
	Draw   = built + "/draw"   // draws memory.svg and memory.png
	Faulty = built + "/faulty" // a server with faults, see e2e/faulty
)

// programs are the packages of what these tests build.
var programs = []string{"./server", "./loader", "./loader/draw", "./e2e/faulty"}

// Main builds the programs, runs the tests of a package and returns the exit code. It is for TestMain.
func Main(m *testing.M) int {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return MainUnbuilt(m)
}

// MainUnbuilt is Main for tests that need none of the programs.
func MainUnbuilt(m *testing.M) int {
	if err := os.MkdirAll(built, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := os.WriteFile(stamp, []byte(time.Now().String()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// build builds the programs. What is up to date stays as it is, so that only the first package needs time for it.
func build() error {
	if err := os.MkdirAll(built, 0o755); err != nil {
		return err
	}
	unlock, err := lock("build")
	if err != nil {
		return err
	}
	defer unlock()
	cmd := exec.Command("go", append([]string{"build", "-C", Root, "-buildvcs=false", "-o", "e2e/.build/"}, programs...)...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the lab: %w\n%s", err, output)
	}
	return nil
}

// stamp is written when the tests of a package have ended.
const stamp = built + "/ended"

// uncached keeps go test from showing the result of this package from its cache though a program or a file has changed: Go
// knows the files alone that a test opens in its own module. It keeps no result of a test that has opened a file which is
// less than 2 s old when the test ends, as stamp is.
func uncached() {
	if file, err := os.OpenFile(stamp, os.O_CREATE|os.O_RDONLY, 0o644); err == nil {
		_ = file.Close()
	}
}

// Checkout is the folder of the checkout, for tests that look at its files.
func Checkout(t testing.TB) string {
	t.Helper()
	uncached()
	return Root
}

// lock waits until it has the lock of that name, which no two processes have at the same time. The kernel releases it when
// the process ends.
func lock(name string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(built, name+".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	return func() { _ = file.Close() }, nil
}

// Quiet waits until no other test that needs a quiet machine runs, in any package, and keeps it so until this test ends.
// A test calls it first, and not in its subtests, if its outcome depends on how much memory a server is seen to take, or
// if it uses Script, which builds programs where others run them.
func Quiet(t testing.TB) {
	t.Helper()
	begin := time.Now()
	unlock, err := lock("quiet")
	require.NoError(t, err)
	t.Cleanup(unlock)
	if waited := time.Since(begin); waited > time.Second {
		t.Logf("waited %s for a quiet machine", waited.Round(time.Second))
	}
}

// Long is true where the long tests are to run as well: longer runs, and those that take minutes.
func Long() bool {
	return os.Getenv("LEAKLAB_LONG") == "1"
}

// OnlyLong skips a test that takes minutes, unless the long tests are to run.
func OnlyLong(t testing.TB) {
	t.Helper()
	if !Long() {
		t.Skip("takes long; LEAKLAB_LONG=1 runs it")
	}
}

// Need returns the path of a program outside of this repository. Where there is none the test is skipped, or fails if
// LEAKLAB_REQUIRE_SERVERS is set.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program+" is not installed")
	}
	return path
}

// NeedFile is Need for a file of a Debian package.
func NeedFile(t testing.TB, path, of string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(t, of+" is not installed")
	}
	return path
}

// NeedCrates is Need for the Rust compiler with Debian's packages of hyper and tokio.
func NeedCrates(t testing.TB) (cargo string) {
	t.Helper()
	for _, crate := range []string{"hyper", "tokio"} {
		if found, _ := filepath.Glob("/usr/share/cargo/registry/" + crate + "-[0-9]*"); len(found) == 0 {
			missing(t, "librust-"+crate+"-dev is not installed")
		}
	}
	return Need(t, "cargo")
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("LEAKLAB_REQUIRE_SERVERS") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}
