package live

import (
	"bytes"
	"os"
	"path/filepath"
	goruntime "runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAllocatorsByWhatAProcessMaps(t *testing.T) {
	const libc = "/lib/x86_64-linux-gnu/libc.so.6"
	for name, test := range map[string]struct {
		exe    string
		mapped []string
		want   string
	}{
		"C":             {"/usr/sbin/nginx", []string{libc}, "glibc's malloc"},
		"old glibc":     {"/usr/sbin/nginx", []string{"/lib/x86_64-linux-gnu/libc-2.31.so"}, "glibc's malloc"},
		"musl":          {"/usr/sbin/nginx", []string{"/lib/ld-musl-x86_64.so.1"}, "musl's malloc"},
		"jemalloc":      {"/usr/bin/redis-server", []string{libc, "/usr/lib/libjemalloc.so.2"}, "jemalloc"},
		"tcmalloc":      {"/usr/sbin/server", []string{libc, "/usr/lib/libtcmalloc_minimal.so.4.5.10"}, "tcmalloc"},
		"mimalloc":      {"/usr/sbin/server", []string{libc, "/usr/lib/libmimalloc.so.2.0"}, "mimalloc"},
		"Java":          {"/usr/lib/jvm/bin/java", []string{libc, "/usr/lib/jvm/lib/server/libjvm.so"}, "a JVM"},
		"OpenJ9":        {"/usr/lib/jvm/bin/java", []string{libc, "/jvm/lib/j9vm/libjvm.so", "/jvm/lib/default/libj9vm29.so"}, ""},
		"Node":          {"/usr/bin/node", []string{libc}, "Node"},
		"CPython":       {"/usr/bin/python3.11", []string{libc}, "CPython"},
		"Erlang":        {"/usr/lib/erlang/erts-13.1.5/bin/beam.smp", []string{libc}, "Erlang"},
		"PHP":           {"/usr/sbin/php-fpm8.2", []string{libc}, "PHP"},
		"Apache's PHP":  {"/usr/sbin/apache2", []string{libc, "/usr/lib/apache2/modules/libphp8.2.so"}, "PHP"},
		"Ruby":          {"/usr/bin/ruby3.1", []string{libc, "/usr/lib/libruby-3.1.so.3.1"}, "Ruby"},
		"Ruby, preload": {"/usr/bin/ruby3.1", []string{libc, "/usr/lib/libjemalloc.so.2"}, "Ruby"},
		"dotnet":        {"/usr/bin/dotnet", []string{libc, "/usr/lib/libcoreclr.so"}, ""},
		"static":        {"/usr/sbin/server", []string{"/usr/sbin/server"}, ""},
	} {
		p := process{PID: 1 << 22, Exe: test.exe, Mapped: test.mapped} // no such process
		assert.Equal(t, test.want, allocatorOf(p, allocators()).Name, name)
	}
}

// A program that an allocator is linked into maps nothing of it, but has its messages.
func TestAnAllocatorThatIsLinkedIntoAProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "program")
	for text, want := range map[string]string{
		"<jemalloc>: Invalid conf pair": "jemalloc", "mimalloc: error: ": "mimalloc", "tcmalloc: large alloc": "tcmalloc", "malloc: error": "",
	} {
		for _, before := range []int{0, 256<<10 - 5, 3 << 20} {
			content := append(bytes.Repeat([]byte{0}, before), text...)
			require.NoError(t, os.WriteFile(file, content, 0o600))
			assert.Equal(t, want, linkedInto(file), "%q after %d bytes", text, before)
		}
	}
	assert.Empty(t, linkedInto(file+".missing"))
}

func TestTheBackgroundThreadOfJemalloc(t *testing.T) {
	self := process{PID: os.Getpid()}
	runs := hasThread(jemallocThread)
	require.False(t, runs(self))
	named, over := make(chan error), make(chan struct{})
	go func() {
		goruntime.LockOSThread() // never unlocked: the thread ends with it
		named <- os.WriteFile("/proc/thread-self/comm", []byte(jemallocThread), 0)
		<-over
	}()
	defer close(over)
	require.NoError(t, <-named)
	assert.True(t, runs(self))
}

// The largest process decides what is said: here the test, beside a small program in C.
func TestTheAllocatorOfTheLargestProcessComesFirst(t *testing.T) {
	all := Allocators(func() ([]int, error) { return []int{child(t), os.Getpid(), child(t)}, nil })
	require.Len(t, all, 2)
	assert.Equal(t, "Go", all[0].Name)
	assert.Empty(t, Allocators(func() ([]int, error) { return nil, os.ErrNotExist }))
}
