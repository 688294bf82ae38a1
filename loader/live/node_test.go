package live

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRunsNode(t *testing.T) {
	for exe, want := range map[string]bool{
		"/usr/bin/node": true, "/usr/bin/nodejs": true, "/usr/bin/node (deleted)": true,
		"/usr/bin/bun": false, "/usr/bin/deno": false, "/usr/bin/node_exporter": false, "": false,
	} {
		assert.Equal(t, want, runsNode(process{Exe: exe}), exe)
	}
	assert.True(t, runsNode(process{Exe: "/opt/app", Mapped: []string{"/usr/lib/libc.so.6", "/usr/lib/libnode.so.108"}}))
}

func TestLaunchNode(t *testing.T) {
	const address = `--inspect=127\.119\.\d+\.\d+:0$`
	for _, test := range []struct {
		environment []string
		want        string // a pattern; empty if nothing is added
	}{
		{nil, "^NODE_OPTIONS=" + address},
		{[]string{"A=b", "NODE_OPTIONS="}, "^NODE_OPTIONS=" + address},
		{[]string{"NODE_OPTIONS=--max-old-space-size=100"}, "^NODE_OPTIONS=--max-old-space-size=100 " + address},
		{[]string{"NODE_OPTIONS=--inspect", "NODE_OPTIONS=--no-warnings"}, "^NODE_OPTIONS=--no-warnings " + address},
		{[]string{"NODE_OPTIONS=--no-warnings --inspect=9300"}, ""},
		{[]string{"NODE_OPTIONS=--inspect-brk"}, ""},
	} {
		added, err := launchNode(test.environment, Options{})
		require.NoError(t, err)
		if test.want == "" {
			assert.Empty(t, added, "%s", test.environment)
			continue
		}
		require.Len(t, added, 1)
		assert.Regexp(t, test.want, added[0])
		_, value, _ := strings.Cut(added[0], "=")
		at, opened := inspectorAddress(strings.Fields(value))
		assert.True(t, opened)
		assert.True(t, markedInspector(at.host))
		assert.Zero(t, at.port)
	}
}

func TestInspectorAddress(t *testing.T) {
	for options, want := range map[string]struct {
		at     string
		opened bool
	}{
		"":                                {"127.0.0.1:9229", false},
		"--inspect":                       {"127.0.0.1:9229", true},
		"--inspect=9300":                  {"127.0.0.1:9300", true},
		"--inspect=0":                     {"127.0.0.1:0", true},
		"--inspect=0.0.0.0":               {"0.0.0.0:9229", true},
		"--inspect=0.0.0.0:1":             {"0.0.0.0:1", true},
		"--inspect=[::1]:7":               {"[::1]:7", true},
		"--inspect=localhost:7":           {"127.0.0.1:7", true},
		"--inspect-port 7":                {"127.0.0.1:7", false},
		"--inspect-port=7 --inspect":      {"127.0.0.1:7", true},
		"--inspect=1.2.3.4:5 --inspect=7": {"1.2.3.4:7", true},
		"--inspect=99999999":              {"127.0.0.1:9229", true},
		"--inspector=7":                   {"127.0.0.1:9229", false},
	} {
		at, opened := inspectorAddress(strings.Fields(options))
		assert.Equal(t, want.at, at.String(), options)
		assert.Equal(t, want.opened, opened, options)
	}
}

// fakeInspector serves what an inspector of Node serves, and lets speak answer on the websocket.
func fakeInspector(t *testing.T, version, list string, speak func(context.Context, *websocket.Conn)) *nodeProcess {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/json/version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, version) })
	mux.HandleFunc("/json/list", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, list) })
	mux.HandleFunc("/id", func(w http.ResponseWriter, r *http.Request) {
		socket, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = socket.CloseNow() }()
		speak(r.Context(), socket)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	at := server.Listener.Addr().(*net.TCPAddr)
	o := newNodeProcess(process{PID: os.Getpid(), Inside: os.Getpid()}, tcpAddress{host: at.IP, port: at.Port})
	o.dial = (&net.Dialer{}).DialContext
	return o
}

const (
	fakeVersion = `{"Browser":"node.js/v20.0.0"}`
	// The host is wrong, and must not be asked.
	fakeList = `[{"webSocketDebuggerUrl":"ws://192.0.2.1:1/id"}]`
)

// answersAsNode answers each command with what results has for it, and an empty object otherwise. One that begins with ! is
// sent as it is, and one with ? is the text of an error.
func answersAsNode(results map[string]string) func(context.Context, *websocket.Conn) {
	return func(ctx context.Context, socket *websocket.Conn) {
		for {
			_, data, err := socket.Read(ctx)
			if err != nil {
				return
			}
			var asked struct {
				ID     int
				Method string
				Params struct{ Expression string }
			}
			if json.Unmarshal(data, &asked) != nil {
				return
			}
			key := asked.Method
			if strings.HasPrefix(asked.Params.Expression, "typeof") {
				key = "typeof"
			}
			result := results[key]
			if result == "" {
				result = "{}"
			}
			answer := fmt.Sprintf(`{"id":%d,"result":%s}`, asked.ID, result)
			switch {
			case strings.HasPrefix(result, "!"):
				answer = result[1:]
			case strings.HasPrefix(result, "?"):
				answer = fmt.Sprintf(`{"id":%d,"error":{"message":%q}}`, asked.ID, result[1:])
			}
			if socket.Write(ctx, websocket.MessageText, []byte(answer)) != nil {
				return
			}
		}
	}
}

// statistics are the results of an inspector that works, with some of them replaced.
func statistics(replaced ...string) map[string]string {
	results := map[string]string{
		"typeof":               `{"result":{"value":false}}`,
		"Runtime.evaluate":     fmt.Sprintf(`{"result":{"value":[%d,5000,4000,9000,300,100]}}`, os.Getpid()),
		"Runtime.getHeapUsage": `{"usedSize":1000,"totalSize":1}`,
	}
	for i := 0; i < len(replaced); i += 2 {
		results[replaced[i]] = replaced[i+1]
	}
	return results
}

func TestInspectorThatWorks(t *testing.T) {
	live, err := fakeInspector(t, fakeVersion, fakeList, answersAsNode(statistics())).live(t.Context())
	require.NoError(t, err)
	assert.Equal(t, int64(1200), live.Bytes)
	assert.Equal(t, int64(4300), live.Heap)
	assert.Equal(t, int64(5300), live.Committed)
	assert.Equal(t, int64(9000), live.Limit.Bytes)
	assert.Equal(t, 1, live.Processes)
}

func TestInspectorThatIsHostile(t *testing.T) {
	huge := fmt.Sprintf(`{"x":"%s"}`, strings.Repeat("x", inspectorMost))
	for name, test := range map[string]struct {
		version, list string
		speak         func(context.Context, *websocket.Conn)
		want          string
	}{
		"not Node":       {`{"Browser":"Chrome/1"}`, fakeList, nil, "expected an inspector of node.js"},
		"not JSON":       {"hello", fakeList, nil, "invalid character"},
		"huge version":   {strings.Repeat(" ", 2*inspectorListing) + fakeVersion, fakeList, nil, "EOF"},
		"no target":      {fakeVersion, "[]", nil, "expected a target"},
		"no path":        {fakeVersion, `[{"webSocketDebuggerUrl":"ws://x/other"}]`, nil, "404"},
		"silent":         {fakeVersion, fakeList, func(ctx context.Context, s *websocket.Conn) { _, _, _ = s.Read(ctx); <-ctx.Done() }, "no answer of the inspector"},
		"hangs up":       {fakeVersion, fakeList, func(context.Context, *websocket.Conn) {}, "the inspector's connection"},
		"garbage":        {fakeVersion, fakeList, answersAsNode(statistics("HeapProfiler.enable", "!{")), "not a message"},
		"huge message":   {fakeVersion, fakeList, answersAsNode(statistics("HeapProfiler.enable", huge)), "limit"},
		"floods":         {fakeVersion, fakeList, flood, "no answer of the inspector"},
		"many workers":   {fakeVersion, fakeList, attachWorkers, "at most 1024 worker threads"},
		"another answer": {fakeVersion, fakeList, answersAsNode(statistics("Runtime.evaluate", `{"result":{"value":"x"}}`)), "expected a value as of Node.js"},
		"no value":       {fakeVersion, fakeList, answersAsNode(statistics("Runtime.evaluate", `{}`)), "expected a value as of Node.js"},
		"another process": {fakeVersion, fakeList,
			answersAsNode(statistics("Runtime.evaluate", `{"result":{"value":[1,2,3,4,5,6]}}`)), "to answer, got process 1"},
		"negative": {fakeVersion, fakeList,
			answersAsNode(statistics("Runtime.evaluate", fmt.Sprintf(`{"result":{"value":[%d,-2,3,4,5,6]}}`, os.Getpid()))), "expected sizes"},
		"no size":   {fakeVersion, fakeList, answersAsNode(statistics("Runtime.getHeapUsage", `{}`)), "expected a size"},
		"exception": {fakeVersion, fakeList, answersAsNode(statistics("typeof", `{"exceptionDetails":{"text":"Uncaught"}}`)), "Uncaught"},
		"ends": {fakeVersion, fakeList,
			answersAsNode(statistics("HeapProfiler.collectGarbage", `!{"method":"NodeRuntime.waitingForDisconnect"}`)), "the program ends"},
	} {
		t.Run(name, func(t *testing.T) {
			o := fakeInspector(t, test.version, test.list, test.speak)
			limit := time.Minute
			if test.want == "no answer of the inspector" {
				limit = 2 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := o.live(ctx)
			require.ErrorContains(t, err, test.want)
			assert.Contains(t, err.Error(), "its inspector: ")
		})
	}
}

// attachWorkers tells of worker threads without end.
func attachWorkers(ctx context.Context, socket *websocket.Conn) {
	for n := 0; ; n++ {
		event := fmt.Sprintf(`{"method":"NodeWorker.attachedToWorker","params":{"sessionId":"%d","workerInfo":{"workerId":"%d"}}}`, n, n)
		if socket.Write(ctx, websocket.MessageText, []byte(event)) != nil {
			return
		}
	}
}

// flood sends events without end, and no answer.
func flood(ctx context.Context, socket *websocket.Conn) {
	for socket.Write(ctx, websocket.MessageText, []byte(`{"method":"Runtime.consoleAPICalled","params":{}}`)) == nil {
	}
}
