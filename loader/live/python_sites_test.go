package live

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sitesServer is a server of testdata/sites/python, and a connection to it that stays open.
type sitesServer struct {
	*pythonServer
	connection net.Conn
	answers    *bufio.Reader
}

func startSitesServer(t *testing.T, program string, environment ...string) *sitesServer {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	_, port, _ := net.SplitHostPort(address)
	s := &sitesServer{pythonServer: startPython(t, append(environment, "PORT="+port), program, "testdata/sites/python/server.py")}
	require.Eventually(t, func() bool {
		s.connection, err = net.Dial("tcp", address)
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	t.Cleanup(func() { _ = s.connection.Close() })
	s.answers = bufio.NewReader(s.connection)
	return s
}

// get sends requests one after the other.
func (s *sitesServer) get(t *testing.T, requests int) {
	t.Helper()
	require.NoError(t, s.connection.SetDeadline(time.Now().Add(2*time.Minute)))
	for range requests {
		_, err := io.WriteString(s.connection, "GET / HTTP/1.1\r\nHost: sites\r\n\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(s.answers, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
	}
}

// names returns what is kept of requests, and the folder of what was saved.
func (s *sitesServer) names(t *testing.T, requests int) (Naming, string) {
	t.Helper()
	asked, err := s.open(t, s.Process.Pid)
	require.NoError(t, err)
	folder := t.TempDir()
	finish, err := asked.(namer).name(t.Context(), saveInto(folder))
	require.NoError(t, err)
	s.get(t, requests)
	naming, err := finish(t.Context())
	require.NoError(t, err)
	return naming, folder
}

func TestPythonNamesWhatIsKept(t *testing.T) {
	const requests = 500
	program := needPython(t, "/usr/bin/python3")
	for _, server := range []string{"threads", "asyncio"} {
		for _, leak := range []string{"none", "list", "dict", "closure", "cache", "thread", "buffer", "library", "cycle", "bounded"} {
			t.Run(server+"/"+leak, func(t *testing.T) {
				s := startSitesServer(t, program, "LEAK="+leak, "SERVER="+server)
				s.get(t, 1500)
				asked, _ := s.open(t, s.Process.Pid)
				a, _ := asked.live(t.Context())
				naming, folder := s.names(t, requests)
				b, _ := asked.live(t.Context())
				fmt.Println("live growth", float64(b.Bytes-a.Bytes)/requests)
				for n, site := range naming.Sites {
					if n < 6 {
						fmt.Printf("%.2f B %.3f  %+v\n", float64(site.Bytes)/requests, float64(site.Objects)/requests, site)
					}
				}
				for _, file := range naming.Files {
					cmd := exec.Command("sh", "-c", file.Open)
					cmd.Dir = folder
					out, err := cmd.CombinedOutput()
					fmt.Println(strings.Join(strings.SplitN(string(out), "\n", 4)[:1], "\n"), err)
				}
				assert.Empty(t, s.err.String())
			})
		}
	}
	_ = filepath.Join
}

func saveInto(folder string) Save {
	return func(name string, write func(io.Writer) error) error {
		file, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		defer file.Close()
		return write(file)
	}
}
