package kernel

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// Listener is a TCP socket that waits for connections.
type Listener struct {
	Host  net.IP // unspecified if it takes connections to any address
	Port  int
	Inode uint64
}

// Name is what Descriptors returns for the socket.
func (l Listener) Name() string { return fmt.Sprintf("socket:[%d]", l.Inode) }

// Listeners returns the sockets that listen in the network namespace of a process. It fails if neither those of IPv4 nor
// those of IPv6 can be read.
func Listeners(pid int) ([]Listener, error) {
	var all []Listener
	var failed []error
	for _, name := range []string{"tcp", "tcp6"} { // one of the two may be missing
		file, err := os.Open(Path(pid, "net", name))
		if err == nil {
			all, err = appendListeners(all, file)
			_ = file.Close()
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) == 2 {
		return nil, errors.Join(failed...)
	}
	return all, nil
}

// appendListeners reads /proc/net/tcp or tcp6. Only what listens is kept: there may be many thousands of connections.
func appendListeners(all []Listener, table io.Reader) ([]Listener, error) {
	const listen = "0A" // TCP_LISTEN
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text()) // number, local address, remote address, state, ..., inode
		if len(fields) < 10 || fields[3] != listen {
			continue
		}
		host, port, errAddress := parseAddress(fields[1])
		inode, errInode := strconv.ParseUint(fields[9], 10, 64)
		if errAddress == nil && errInode == nil {
			all = append(all, Listener{host, port, inode})
		}
	}
	return all, lines.Err()
}

// parseAddress reads an address such as 0100007F:1F90, which is 127.0.0.1:8080: the host is written as numbers of 32 bits in
// the order of the machine's memory.
func parseAddress(text string) (net.IP, int, error) {
	host, hexadecimal, _ := strings.Cut(text, ":")
	port, err := strconv.ParseUint(hexadecimal, 16, 16)
	if err != nil {
		return nil, 0, err
	}
	ip, err := hex.DecodeString(host)
	if err != nil || len(ip) != net.IPv4len && len(ip) != net.IPv6len {
		return nil, 0, fmt.Errorf("%q is no address", text)
	}
	for word := range slices.Chunk(ip, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	return ip, int(port), nil
}

// Descriptors returns what the descriptors of a process refer to. If only its main thread has ended, those of another
// thread tell. It fails if the process may not be looked at, or has ended.
func Descriptors(pid int) ([]string, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return nil, err
	}
	open, err := process.FileDescriptorTargets()
	if len(open) > 0 {
		return open, err
	}
	threads, _ := procfs.AllThreads(pid)
	for _, thread := range threads {
		if others, err := thread.FileDescriptorTargets(); err == nil && len(others) > 0 {
			return others, nil
		}
	}
	return nil, err
}
