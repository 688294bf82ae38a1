package live

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// node reads programs that run in Node.js, by V8's inspector. A server that is launched gets NODE_OPTIONS=--inspect with an
// address of the loopback network that no other program uses, so that the port is found without asking another one. A
// server that was running before is sent SIGUSR1, which opens the inspector if Node's handler is there. The inspector is
// closed again at the end, if it was opened for this.
//
// The launch is by --inspect and not by --inspect-port=0: with the latter, workers of a cluster are started with
// --inspect-port=1, which Node refuses.
func node() runtime {
	var one sync.Mutex // the workers of a cluster open their inspectors at one port, one after the other
	return runtime{
		kind:     Node,
		collects: true,
		defers:   true,
		runs:     runsNode,
		launch:   launchNode,
		open: func(ctx context.Context, p process, options Options) (opened, error) {
			one.Lock()
			defer one.Unlock()
			o, err := openNode(ctx, p)
			if err != nil {
				return nil, err
			}
			o.snapshot = options.Snapshot
			return o, nil
		},
		tells:       "V8's heaps and Buffers, by the inspector, which SIGUSR1 opens on loopback",
		stopAtLeast: 100 * time.Millisecond,
		stopPerGiB:  20 * time.Second,
	}
}

// runsNode tells if a process runs Node.js: by the name of its program, or because Node is a library in it.
func runsNode(p process) bool {
	switch path.Base(strings.TrimSuffix(p.Exe, " (deleted)")) {
	case "node", "nodejs":
		return true
	}
	return p.maps("libnode.so")
}

const nodeOptions = "NODE_OPTIONS"

// launchNode returns NODE_OPTIONS with --inspect added. It is nil if the environment opens an inspector already.
func launchNode(environment []string, _ Options) ([]string, error) {
	options := ""
	for _, variable := range environment {
		if value, found := strings.CutPrefix(variable, nodeOptions+"="); found {
			options = value // the last one is in force
		}
	}
	if _, given := inspectorAddress(strings.Fields(options)); given {
		return nil, nil
	}
	return []string{nodeOptions + "=" + strings.TrimLeft(options+" --inspect="+markedHost()+":0", " ")}, nil
}

// markedNetwork is the part of the loopback network 127.0.0.0/8 whose addresses mark an inspector that was opened for this.
var markedNetwork = [2]byte{127, 119}

// markedHost returns an address of the marked network that is not likely to be used by another run.
func markedHost() string {
	var number [2]byte
	_, _ = rand.Read(number[:])
	return fmt.Sprintf("%d.%d.%d.%d", markedNetwork[0], markedNetwork[1], number[0], 1+number[1]%254)
}

// markedInspector tells if what listens at host is an inspector that was opened for this.
func markedInspector(host net.IP) bool {
	four := host.To4()
	return four != nil && four[0] == markedNetwork[0] && four[1] == markedNetwork[1]
}

// defaultInspector is where Node opens its inspector if no option says otherwise.
func defaultInspector() tcpAddress { return tcpAddress{host: net.IPv4(127, 0, 0, 1), port: 9229} }

// inspectorAddress returns where the options of Node let the inspector listen, and whether they open one at the start.
// Options that come later win, and one that has only a port keeps the host, as in Node.
func inspectorAddress(options []string) (at tcpAddress, opened bool) {
	at = defaultInspector()
	for i, option := range options {
		name, value, joined := strings.Cut(option, "=")
		switch name {
		case "--inspect", "--inspect-brk", "--inspect-wait":
			opened = true
		case "--inspect-port", "--debug-port":
			if !joined && i+1 < len(options) {
				value = options[i+1]
			}
		default:
			continue
		}
		at = at.with(value)
	}
	return at, opened
}

// with is the address with what an option's value says: HOST:PORT, HOST or PORT.
func (a tcpAddress) with(value string) tcpAddress {
	if value == "" {
		return a
	}
	if port, err := strconv.ParseUint(value, 10, 16); err == nil {
		a.port = int(port)
		return a
	}
	host := value
	if cut, port, err := net.SplitHostPort(value); err == nil {
		host = cut
		if number, err := strconv.ParseUint(port, 10, 16); err == nil {
			a.port = int(number)
		}
	}
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); ip != nil {
		a.host = ip
	}
	return a
}

// openNode finds the inspector of a process, or opens it.
func openNode(ctx context.Context, p process) (*nodeProcess, error) {
	at, how, err := findInspector(ctx, p)
	if err != nil {
		return nil, err
	}
	o := newNodeProcess(p, at)
	o.ours, o.how = how.ours, how.text
	if how.move {
		// The port may be that of all processes of a server. What has been opened is moved though the run is interrupted, so
		// that it can be closed.
		certain := context.WithoutCancel(ctx)
		if err := o.move(certain); err != nil {
			o.undo(certain)
			return nil, err
		}
	}
	return o, nil
}

// nodeFound is how an inspector was found.
type nodeFound struct {
	text string // for the user
	ours bool   // it was opened for this, and is closed at the end
	move bool   // it holds the port that the next process needs
}

// inspectorAppeared returns the address of a socket at a host, or in the marked network, that listens now and did not before.
func inspectorAppeared(before, now []listener, host net.IP) (tcpAddress, bool) {
	for _, l := range now {
		if (l.at.host.Equal(host) || markedInspector(l.at.host)) && !slices.ContainsFunc(before, func(b listener) bool { return b.inode == l.inode }) {
			return l.at, true
		}
	}
	return tcpAddress{}, false
}
