package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Limits on what a server can make an inspector's client read and wait for.
const (
	inspectorMost    = 8 << 20 // bytes of a message, which is copied up to four times
	inspectorListing = 1 << 20 // bytes
	inspectorWorkers = 1024
	inspectorAnswer  = 60 * time.Second
	inspectorGreets  = 5 * time.Second
)

// dialer dials TCP addresses as net.Dialer.DialContext does.
type inspectorDialer func(ctx context.Context, network, tcpAddress string) (net.Conn, error)

// inspector is a connection to V8's inspector: JSON-RPC over a websocket, as the Chrome DevTools Protocol says, with the
// domains NodeRuntime and NodeWorker that Node adds. It may not be used from several goroutines.
type inspector struct {
	socket   *websocket.Conn
	messages chan inspectorMessage
	ended    chan struct{} // closed when the connection is
	err      error         // why it ended; read it after ended is closed
	stop     context.CancelFunc
	last     int          // number of the last command
	workers  []nodeWorker // that were attached to and are not gone
}

// nodeWorker is a worker thread, as the connection numbers it, and as the process does.
type nodeWorker struct{ session, thread string }

// nodeMainThread is the session of the main thread.
const nodeMainThread = ""

// inspectorMessage is an answer, or an event if ID is 0.
type inspectorMessage struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// dialInspector connects to the inspector that listens at an address. The error tells what is not as an inspector of Node
// has it.
func dialInspector(ctx context.Context, dial inspectorDialer, at string) (*inspector, error) {
	greeting, cancel := context.WithTimeout(ctx, inspectorGreets)
	defer cancel()
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

	var version struct {
		Browser string `json:"Browser"`
	}
	if err := inspectorJSON(greeting, client, "http://"+at+"/json/version", &version); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(version.Browser, "node.js/") {
		return nil, fmt.Errorf("http://%s/json/version: expected an inspector of node.js, got %.40q", at, version.Browser)
	}
	var targets []struct {
		Socket string `json:"webSocketDebuggerUrl"`
	}
	if err := inspectorJSON(greeting, client, "http://"+at+"/json/list", &targets); err != nil {
		return nil, err
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("http://%s/json/list: expected a target, got none", at)
	}
	target, err := url.Parse(targets[0].Socket)
	if err != nil {
		return nil, fmt.Errorf("http://%s/json/list: %w", at, err)
	}
	// Whatever host the answer names, the connection goes where the answer came from.
	target = &url.URL{Scheme: "ws", Host: at, Path: target.Path}
	socket, _, err := websocket.Dial(greeting, target.String(), &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return nil, fmt.Errorf("the inspector at %s: %w", at, err)
	}
	socket.SetReadLimit(inspectorMost)
	return newInspector(socket), nil
}

func newInspector(socket *websocket.Conn) *inspector {
	ctx, stop := context.WithCancel(context.Background())
	i := &inspector{socket: socket, messages: make(chan inspectorMessage), ended: make(chan struct{}), stop: stop}
	go i.read(ctx)
	return i
}

func (i *inspector) read(ctx context.Context) {
	defer close(i.ended)
	for {
		_, data, err := i.socket.Read(ctx)
		if err != nil {
			i.err = fmt.Errorf("the inspector's connection: %w", err)
			return
		}
		var m inspectorMessage
		if err := json.Unmarshal(data, &m); err != nil {
			i.err = fmt.Errorf("the inspector sent what is not a message: %w", err)
			return
		}
		select {
		case i.messages <- m:
		case <-ctx.Done():
			i.err = ctx.Err()
			return
		}
	}
}

// close ends the connection. Node prints a line on its standard error for each that is opened, none for its end.
func (i *inspector) close() {
	i.stop()
	_ = i.socket.CloseNow()
	<-i.ended
}

// call sends a command to a thread and waits for its answer, which goes into result unless that is nil.
func (i *inspector) call(ctx context.Context, session, method string, params, result any) error {
	return i.callHearing(ctx, session, method, params, result, func(inspectorMessage) error { return nil })
}

// callHearing is call, and passes the events of the thread that come before the answer to hear, whose error ends it.
func (i *inspector) callHearing(ctx context.Context, session, method string, params, result any, hear func(inspectorMessage) error) error {
	i.last++
	id := i.last
	data, err := json.Marshal(inspectorCommand{id, method, params})
	if err != nil {
		return err
	}
	carrier := 0 // number of the command that carries this one to a worker
	if session != nodeMainThread {
		i.last++
		carrier = i.last
		data, err = json.Marshal(inspectorCommand{carrier, "NodeWorker.sendMessageToWorker", toWorker{session, string(data)}})
		if err != nil {
			return err
		}
	}
	if err := i.socket.Write(ctx, websocket.MessageText, data); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	for {
		m, from, err := i.next(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", method, err)
		case m.ID == id && from == session:
			return m.answer(method, result)
		case session != nodeMainThread && m.ID == carrier && from == nodeMainThread && m.Error != nil, session != nodeMainThread && !i.attached(session):
			return fmt.Errorf("%s: %w", method, errNodeWorkerGone)
		case m.ID == 0 && from == session:
			if err := hear(m); err != nil {
				return fmt.Errorf("%s: %w", method, err)
			}
		}
	}
}

type inspectorCommand struct {
	ID     int    `json:"id"`
	Method string `json:"method"`
	Params any    `json:"params,omitempty"`
}

type toWorker struct {
	Session string `json:"sessionId"`
	Message string `json:"message"`
}

var (
	// errInspectorSilent is the error when an inspector was silent for too long.
	errInspectorSilent = errors.New("no answer of the inspector")
	// errNodeWorkerGone is the error when a worker thread has ended.
	errNodeWorkerGone = errors.New("the worker thread has ended")
	// errNodeLeaving is the error when a program ends, and waits for this connection to end first.
	errNodeLeaving = errors.New("the program ends")
)

// next returns the next message and the session that it came from.
func (i *inspector) next(ctx context.Context) (m inspectorMessage, session string, err error) {
	select {
	case m = <-i.messages:
	case <-i.ended:
		return inspectorMessage{}, "", i.err
	case <-ctx.Done():
		return inspectorMessage{}, "", errors.Join(errInspectorSilent, ctx.Err())
	}
	if m.ID != 0 {
		return m, nodeMainThread, nil
	}
	return i.event(m)
}

// event keeps what an event says, and returns the message of a worker that it carries, or itself.
func (i *inspector) event(m inspectorMessage) (carried inspectorMessage, session string, err error) {
	var params struct {
		Session string `json:"sessionId"`
		Message string `json:"message"`
		Worker  struct {
			Thread string `json:"workerId"`
		} `json:"workerInfo"`
	}
	switch m.Method {
	case "NodeRuntime.waitingForDisconnect":
		return inspectorMessage{}, "", errNodeLeaving
	case "NodeWorker.attachedToWorker", "NodeWorker.detachedFromWorker", "NodeWorker.receivedMessageFromWorker":
		if err := json.Unmarshal(m.Params, &params); err != nil {
			return inspectorMessage{}, "", fmt.Errorf("%s: %w", m.Method, err)
		}
	}
	switch m.Method {
	case "NodeWorker.attachedToWorker":
		if len(i.workers) == inspectorWorkers {
			return inspectorMessage{}, "", fmt.Errorf("expected at most %d worker threads", inspectorWorkers)
		}
		i.workers = append(i.workers, nodeWorker{session: params.Session, thread: params.Worker.Thread})
	case "NodeWorker.detachedFromWorker":
		i.workers = slices.DeleteFunc(i.workers, func(w nodeWorker) bool { return w.session == params.Session })
	case "NodeWorker.receivedMessageFromWorker":
		if err := json.Unmarshal([]byte(params.Message), &carried); err != nil {
			return inspectorMessage{}, "", fmt.Errorf("%s: %w", m.Method, err)
		}
		return carried, params.Session, nil
	}
	return m, nodeMainThread, nil
}

func (i *inspector) attached(session string) bool {
	return slices.ContainsFunc(i.workers, func(w nodeWorker) bool { return w.session == session })
}

// evaluate runs an expression in a thread, and puts its value into result. With commandLine the expression sees require.
func (i *inspector) evaluate(ctx context.Context, session, expression string, commandLine bool, result any) error {
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := i.call(ctx, session, "Runtime.evaluate", map[string]any{
		"expression": expression, "returnByValue": true, "silent": true, "includeCommandLineAPI": commandLine,
	}, &answer)
	if err != nil {
		return err
	}
	if answer.Exception != nil {
		return fmt.Errorf("evaluating: %.200s: %.200s", answer.Exception.Text, answer.Exception.Exception.Description)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Result.Value, result); err != nil {
		return fmt.Errorf("evaluating: expected a value as of Node.js, got %.200q", answer.Result.Value)
	}
	return nil
}

// turn waits for a turn of the event loop of a thread. A thread that is blocked answers commands, but collects nothing.
func (i *inspector) turn(ctx context.Context, session string) error {
	return i.call(ctx, session, "Runtime.evaluate", map[string]any{
		"expression": "new Promise(r=>setImmediate(()=>r(0)))", "awaitPromise": true, "returnByValue": true, "silent": true,
	}, nil)
}

// answer unpacks the answer to a command.
func (m inspectorMessage) answer(method string, result any) error {
	if m.Error != nil {
		return fmt.Errorf("%s: %.200s", method, m.Error.Message)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(m.Result, result); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

func inspectorJSON(ctx context.Context, client *http.Client, where string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: expected status 200, got %d", where, response.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, inspectorListing)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}
