package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// mostListeners is how many sockets of a server are asked for profiles.
	mostListeners = 16
	// besideTimeout limits how long one is waited for: it may speak another protocol.
	besideTimeout = time.Second
)

// PprofBeside is where a Go process among processes shows the profiles that another server shows at pprofURL: the same
// path at a port where it listens, which is port if it is one of them. host is where they are reached. The address is empty
// if none of them runs Go. The error tells that none shows profiles.
func PprofBeside(ctx context.Context, processes func() ([]int, error), pprofURL, host string, port int) (string, error) {
	base, err := url.Parse(pprofURL)
	if err != nil {
		return "", errors.New("PPROF_URL cannot be read")
	}
	for until := time.Now().Add(goStart); ; {
		pids, err := processes()
		if err != nil {
			return "", err
		}
		pids = slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return !golang().runs(process{PID: pid}) })
		if len(pids) == 0 {
			return "", nil
		}
		for _, address := range listening(pids, host, port) {
			at := *base
			at.Host = address
			if showsGoHeap(ctx, &at) {
				return at.String(), nil
			}
		}
		if time.Now().After(until) {
			return "", fmt.Errorf("it shows no %s at a port where it listens", strings.TrimSuffix(base.Path, "/"))
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// listening are the addresses where the processes listen, host:port, at most mostListeners, those at port first. A socket
// that listens everywhere, or for this machine alone, is reached at host.
func listening(pids []int, host string, port int) []string {
	var first, others []string
	for _, pid := range pids {
		sockets, _ := listenersOf(pid) // none are seen of a process of another user
		for _, socket := range sockets {
			at := host
			if !socket.at.host.IsUnspecified() && !socket.at.host.IsLoopback() {
				at = socket.at.host.String()
			}
			address := net.JoinHostPort(at, strconv.Itoa(socket.at.port))
			if socket.at.port == port {
				first = append(first, address)
			} else {
				others = append(others, address)
			}
		}
	}
	all := append(first, others...)
	return all[:min(len(all), mostListeners)]
}

// showsGoHeap tells if a Go program shows its heap profile at base.
func showsGoHeap(ctx context.Context, base *url.URL) bool {
	ctx, cancel := context.WithTimeout(ctx, besideTimeout)
	defer cancel()
	at := base.JoinPath("heap")
	at.RawQuery = url.Values{"debug": {"1"}}.Encode()
	_, err := readGoHeap(ctx, at.String(), false, nil)
	return err == nil
}
