package config

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaults(t *testing.T) {
	want := Config{
		Tries: Auto, MaxTries: 40, Tolerance: 4, Host: "127.0.0.1", Port: 3030, Duration: AutoBurst, Workers: 100, Streams: 10,
		Settle: AutoRest, Release: AutoRest, Timeout: Duration(10 * time.Second), StartTimeout: Duration(30 * time.Second),
		RequestPath: "/hello/warp", Results: "results",
		Shapes: Shapes{"keepalive"}, Unique: Unique{"path", "header"}, Protocol: "http1", Method: "GET", BodyBytes: 65536,
	}
	c, err := Parse(nil)
	require.NoError(t, err)
	assert.Equal(t, want, c)

	c, err = Parse(map[string]string{"TRIES": "", "SERVER_PID": "", "METRICS_URL": "", "RESULTS": ""})
	require.NoError(t, err)
	assert.Equal(t, want, c, "empty counts as not set")
}

func TestAllSettings(t *testing.T) {
	c, err := Parse(map[string]string{
		"TRIES": "5", "MAX_TRIES": "50", "TOLERANCE": "0.5", "HOST": "::1", "PORT": "80", "DURATION": "1m30s", "WORKERS": "1", "REQUESTS": "10000000",
		"SETTLE": "0s", "RELEASE": "0", "TIMEOUT": "250ms", "START_TIMEOUT": "1h", "REQUEST_PATH": "/a%20b?c=d", "RESULTS": "/tmp/x",
		"METRICS_PORT": "9999", "SERVER_PID": "1", "METRICS_URL": "http://server:9101/metrics", "GRAFANA_URL": "http://localhost:3000",
		"SHAPE": "churn, unique", "PROTOCOL": "h2", "TLS_INSECURE": "true", "RATE": "5000.5", "URL_FILE": "urls", "METHOD": "PUT",
		"UNIQUE":  "method, user-agent",
		"HEADERS": "Host: example.com|X-A:  b: c \nEmpty:", "BASIC_AUTH": "me:a:b", "BODY": "x", "BODY_BYTES": "7", "STREAMS": "3",
	})
	require.NoError(t, err)
	assert.Equal(t, Config{
		Tries: 5, MaxTries: 50, Tolerance: 0.5, Host: "::1", Port: 80, Duration: Burst(90 * time.Second), Workers: 1, Requests: 10_000_000,
		Timeout: Duration(250 * time.Millisecond), StartTimeout: Duration(time.Hour), RequestPath: "/a%20b?c=d",
		Results: "/tmp/x", MetricsPort: 9999, ServerPID: 1, MetricsURL: "http://server:9101/metrics", GrafanaURL: "http://localhost:3000",
		Shapes: Shapes{"churn", "unique"}, Unique: Unique{"method", "user-agent"}, Protocol: "h2", TLSInsecure: true, Rate: 5000.5, URLFile: "urls", Method: "PUT",
		Headers: Headers{{Name: "Host", Value: "example.com"}, {Name: "X-A", Value: "b: c"}, {Name: "Empty"}}, BasicAuth: "me:a:b", Body: "x", BodyBytes: 7, Streams: 3,
	}, c)
	assert.Equal(t, "[::1]:80", c.Address())
	shared, err := Parse(map[string]string{"SERVER_PID": "shared"})
	require.NoError(t, err)
	assert.Equal(t, Shared, shared.ServerPID)
	assert.Equal(t, 5, c.Iterations())

	c, err = Parse(map[string]string{"TRIES": "auto", "MAX_TRIES": "30"})
	require.NoError(t, err)
	assert.Equal(t, Auto, c.Tries)
	assert.Equal(t, 30, c.Iterations())
}

func TestMetricsAreForThisMachineUnlessTheServerIsElsewhere(t *testing.T) {
	for host, want := range map[Host]string{
		"127.0.0.1": "127.0.0.1:9102", "localhost": "localhost:9102", "::1": "[::1]:9102",
		"server": ":9102", "192.0.2.1": ":9102",
	} {
		chosen := Config{Host: host, MetricsPort: 9102}
		assert.Equal(t, want, chosen.MetricsAddress())
		assert.Empty(t, chosen.SpareMetricsAddress(), "it is that port or none")
		assert.Equal(t, want, Config{Host: host}.MetricsAddress())
		assert.Equal(t, strings.TrimSuffix(want, "9102")+"0", Config{Host: host}.SpareMetricsAddress())
	}
	for _, taken := range []map[string]string{{"PORT": "9102"}, {"PORT": "9101", "BASELINE": "old"}} {
		c, err := Parse(taken)
		require.NoError(t, err)
		assert.Equal(t, "127.0.0.1:0", c.MetricsAddress(), "the port is that of a server")
	}
}

// wrong is a setting with a value that is not taken.
type wrong struct{ name, value, want string }

// wrongSettings are those that are wrong by themselves. Each setting has some.
func wrongSettings() []wrong {
	const (
		most     = `expected a whole number (iterations) from 1 to 10000`
		tries    = most + `, or "auto"`
		growth   = `expected a growth in bytes per request, more than 0, for example "4"`
		port     = `expected a port number from 1 to 65535`
		length   = `expected a length of time with its unit, for example "3s" or "500ms"`
		inRange  = `expected a length of time from 0s to 1h0m0s`
		reuse    = `expected kept or fresh`
		workers  = `expected a whole number (connections) from 1 to 50000`
		requests = `expected a whole number of requests, or 0 for as many as fit into DURATION`
		host     = `expected a host name or an IP address, without a scheme or a port`
		path     = `expected a path that begins with "/", percent-encoded, without a host`
		shape    = `expected one or several of keepalive, churn, abort, slow, upload, idle, unique, separated by commas`
		unique   = `expected one or several of path, query, method, host, user-agent, cookie, header, body, separated by commas`
		address  = `expected an address such as "http://server:9101/metrics"`
		boolean  = `expected true or false`
		rate     = `expected requests per second over all workers, for example "5000", or 0`
		method   = `expected an HTTP method in capitals, for example "POST", but not CONNECT`
		streams  = `expected a whole number (streams) from 1 to 1000`
		process  = `expected a whole number (a process) from 1 to 4194304`
		size     = `expected a whole number (bytes) from 0 to 1073741824`
		file     = `expected a path without control characters`
		metric   = `expected a metric, with labels as in container_memory_rss{name="web"} if it has several series`
		lines    = `expected lines like "Accept: text/html|X-Color: blue", separated by | or line ends`
	)
	return []wrong{
		{"LIVE", "java", "expected one of auto, off, go, node, jvm, python, native, tcmalloc"},
		{"SITES", "on", "expected auto or off"}, {"SITES", "Auto", "expected auto or off"}, {"LIVE_SNAPSHOT", "yes", boolean},
		{"TRIES", "0", tries}, {"TRIES", "-1", tries}, {"TRIES", "ten", tries}, {"TRIES", "1.5", tries}, {"TRIES", "10001", tries}, {"TRIES", "Auto", tries},
		{"MAX_TRIES", "0", most}, {"MAX_TRIES", "auto", most},
		{"TOLERANCE", "0", growth}, {"TOLERANCE", "-4", growth}, {"TOLERANCE", "4 bytes", growth}, {"TOLERANCE", "NaN", growth}, {"TOLERANCE", "Inf", growth},
		{"HOST", "http://localhost", host}, {"HOST", "localhost:3030", host}, {"HOST", "a b", host},
		{"PORT", "0", port}, {"PORT", "65536", port}, {"PORT", "http", port}, {"METRICS_PORT", "-1", port},
		{"DURATION", "3", `missing unit, for example "3s"`}, {"DURATION", "three", length + `, or "auto"`}, {"DURATION", "Auto", length + `, or "auto"`}, {"DURATION", "0s", `expected more than 0`},
		{"DURATION", "-1s", inRange}, {"DURATION", "2h", inRange}, {"SETTLE", "500", `missing unit, for example "500s"`},
		{"SETTLE", "-1ms", inRange + `, or "auto"`}, {"SETTLE", "Auto", length + `, or "auto"`}, {"RELEASE", "never", length + `, or "auto"`}, {"TIMEOUT", "0", `expected more than 0`}, {"START_TIMEOUT", "1 s", length},
		{"WORKERS", "0", workers}, {"WORKERS", "100k", workers}, {"WORKERS", "50001", workers},
		{"STREAMS", "0", streams}, {"STREAMS", "1001", streams}, {"STREAMS", "ten", streams},
		{"REQUESTS", "-1", requests}, {"REQUESTS", "1e6", requests},
		{"REQUEST_PATH", "hello", path}, {"REQUEST_PATH", "http://example.org/", path}, {"REQUEST_PATH", "/a b", path},
		{"REQUEST_PATH", "/a#b", path}, {"REQUEST_PATH", "/a\r\nX: y", path}, {"READY_PATH", "healthz", path}, {"READY_PATH", "http://example.org/", path},
		{"SERVER_PID", "0", `expected a whole number (a process) from 1 to 4194304`}, {"SERVER_PID", "self", `expected a whole number (a process) from 1 to 4194304`},
		{"METRICS_URL", "server:9101", address}, {"METRICS_URL", "ftp://server/", address}, {"METRICS_URL", "http://", address},
		{"METRICS_MEMORY", "a b", metric}, {"METRICS_MEMORY", "{}", metric}, {"METRICS_MEMORY", "x{a=b}", metric}, {"METRICS_MEMORY", "x\ny", metric},
		{"METRICS_REQUESTS", "rate(x[5m])", metric}, {"METRICS_REQUESTS", `x{a=~"b"}`, metric}, {"METRICS_REQUESTS", "x 5", metric},
		{"SHAPE", "storm", shape}, {"SHAPE", "churn,", shape}, {"SHAPE", "churn,churn", shape},
		{"UNIQUE", "paths", unique}, {"UNIQUE", "path,", unique}, {"UNIQUE", "query,query", unique}, {"UNIQUE", "Method", unique},
		{"UNIQUE", "method", `expected SHAPE=unique as well`},
		{"PROTOCOL", "http2", `expected one of http1 https h2c h2 grpc grpcs ws wss sse`}, {"TLS_INSECURE", "yes please", `expected true or false`},
		{"RATE", "-1", `expected requests per second`}, {"RATE", "fast", `expected requests per second`}, {"RATE", "1e8", `expected requests per second`},
		{"METHOD", "GET /", `expected an HTTP method`},
		{"LOAD_COMMAND", "hey {URL} {uri}", `{uri} is no placeholder; expected {duration}, {seconds}, {workers}, {url}, {requests}, {rate}`},
		{"LOAD_COMMAND", "hey '{url}", `expected a ' at the end of what it quotes`}, {"LOAD_COMMAND", " ", `expected a command`},
		{"BODY_BYTES", "-1", `expected a whole number (bytes) from 0 to 1073741824`},
		{"METRICS_PORT", "3030", `expected another port than the server's PORT`},
		{"MAX_TRIES", "10001", most}, {"TOLERANCE", "1e10", growth}, {"TOLERANCE", "0x", growth},
		{"HOST", "127.1", host}, {"HOST", "256.0.0.1", host}, {"HOST", "a..b", host}, {"HOST", "-a", host}, {"HOST", "[::1]", host},
		{"HOST", ":::", host}, {"HOST", "fe80::1%\n", host}, {"HOST", "a/b", host}, {"HOST", "a\r", host}, {"HOST", strings.Repeat("a", 64), host},
		{"PORT", "+80", port}, {"PORT", " 80", port}, {"PORT", "0x50", port}, {"PORT", "80\r", port}, {"METRICS_PORT", "65536", port},
		{"DURATION", "1000h", inRange}, {"DURATION", "1ns", `expected at least 1ms`}, {"DURATION", "3 s", length}, {"DURATION", "3S", length},
		{"DURATION", "99999999999h", length}, {"RELEASE", "-5s", inRange}, {"RELEASE", "5", `missing unit, for example "5s"`}, {"RELEASE", "late", length},
		{"TIMEOUT", "-1s", inRange}, {"TIMEOUT", "999us", `expected at least 1ms`}, {"TIMEOUT", "10", `missing unit, for example "10s"`},
		{"START_TIMEOUT", "61m", inRange}, {"START_TIMEOUT", "0s", `expected more than 0`}, {"SCRAPE_WAIT", "15", `missing unit, for example "15s"`},
		{"SCRAPE_WAIT", "2h", inRange}, {"WORKERS", "-1", workers}, {"WORKERS", "1.5", workers}, {"WORKERS", "9999999999999999999999", workers},
		{"REQUESTS", "1000000001", `expected at most 1000000000 in an iteration`}, {"REQUESTS", "18446744073709551615", `expected at most 1000000000`},
		{"REQUESTS", "18446744073709551616", requests}, {"REQUESTS", "1_000", requests},
		{"REQUEST_PATH", "/a\tb", path}, {"REQUEST_PATH", "/a\x7f", path}, {"REQUEST_PATH", "/ü", path}, {"REQUEST_PATH", "/%zz", path}, {"REQUEST_PATH", "*", path},
		{"URL_FILE", "a\nb", file}, {"BODY_FILE", "a\rb", file}, {"PROTOSET", "a\nb", file}, {"RESULTS", "results\r", file}, {"RESULTS", "\x1b[2J", file}, {"HOST_RESULTS", "a\nb", file},
		{"METHOD", "get", method}, {"METHOD", "CONNECT", method}, {"METHOD", "GÉT", method}, {"METHOD", "A\r\nB", method},
		{"HEADERS", "Accept", lines}, {"HEADERS", ": b", lines}, {"HEADERS", "A B: c", lines}, {"HEADERS", "A: \x00", lines}, {"HEADERS", "A: b\x1b", lines},
		{"HEADERS", "A: b\x7f", lines}, {"HEADERS", "||\r\n", lines}, {"HEADERS", "A: b\r\n\r\nGET / HTTP/1.1", lines},
		{"HEADERS", "Content-Length: 7", `expected no Content-Length: the shape of the load decides it`},
		{"HEADERS", "transfer-encoding: chunked", `expected no transfer-encoding: the shape of the load decides it`},
		{"BASIC_AUTH", "me", `expected user:password`}, {"BODY_BYTES", "1073741825", size}, {"BODY_BYTES", "64k", size},
		{"ALIGN", "yes", boolean}, {"ALIGN", "2", boolean}, {"TLS_INSECURE", "on", boolean}, {"ALLOW_REMOTE", "maybe", boolean},
		{"RATE", "NaN", rate}, {"RATE", "Inf", rate}, {"RATE", "0.0001", rate}, {"RATE", "5000/s", rate},
		{"SHAPE", ",", shape}, {"SHAPE", "Churn", shape}, {"SHAPE", "keepalive;churn", shape}, {"PROTOCOL", "HTTP1", `expected one of http1 https h2c h2 grpc grpcs ws wss sse`},
		{"CONNECTIONS", "Kept", reuse}, {"CONNECTIONS", "kept,fresh", reuse},
		{"SERVER_PID", "-1", process}, {"SERVER_PID", "4194305", process},
		{"METRICS_URL", "http://:9101/metrics", address}, {"METRICS_URL", "http://server:99999/", address}, {"METRICS_URL", "http://server:0/", address},
		{"GRAFANA_URL", "localhost:3000", address}, {"GRAFANA_URL", "http://:3000/", address},
		{"METRICS_URL", "http://a b/", address}, {"METRICS_URL", "http://server/\n", address}, {"METRICS_URL", "/metrics", address},
		{"PPROF_URL", "server:6060", address}, {"PPROF_URL", "file:///etc/passwd", address}, {"PPROF_URL", "http://[::1/", address},
		{"LOAD_COMMAND", "wrk {url} \\", `expected something after the last backslash`},
		{"BASELINE", "./old 'x", `expected a ' at the end of what it quotes`}, {"BASELINE", " ", `expected a command`},
		{"BASELINE_HOST", "http://old", host}, {"BASELINE_PORT", "65536", port}, {"BASELINE_PORT", "old", port},
	}
}

// secret are the settings whose values no error repeats.
var secret = []string{"HEADERS", "BASIC_AUTH", "LOAD_COMMAND"}

func TestWrongSettings(t *testing.T) {
	for _, test := range wrongSettings() {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			_, err := Parse(map[string]string{test.name: test.value})
			require.Error(t, err)
			named := fmt.Sprintf("%s=%q: ", test.name, test.value)
			if slices.Contains(secret, test.name) {
				named = test.name + ": "
			}
			rest, found := strings.CutPrefix(err.Error(), named)
			assert.True(t, found, err)
			assert.Contains(t, rest, test.want)
			assert.Regexp(t, "expected |^missing unit, for example ", rest)
			assert.NotContains(t, err.Error(), "\n", "one error")
		})
	}
}

func TestSettingsOfTheDemo(t *testing.T) {
	for _, leak := range []string{"", "none", "path"} {
		assert.NoError(t, Config{Leak: leak, LeakBytes: "262144"}.CheckDemo())
	}
	for _, leak := range []string{"Heap", "all", "heap,map"} {
		for _, size := range []string{"64k", "-1", "262145"} {
			assert.EqualError(t, Config{Leak: leak, LeakBytes: size}.CheckDemo(), fmt.Sprintf("LEAK=%q: expected one of abort, body, burst, "+
				"cache, conn, expire, goroutine, heap, log, map, none, path, session, socket, stream\nLEAK_BYTES=%q: expected a whole number of bytes from 0 to 262144", leak, size))
		}
	}
}

func TestExpiryAndCacheOfTheDemo(t *testing.T) {
	assert.NoError(t, Config{Leak: "expire", LeakTTL: "1h", LeakEntries: "10000000"}.CheckDemo())
	for _, ttl := range []string{"10", "999us", "61m", "-1s"} {
		for _, entries := range []string{"0", "10000001", "1e3"} {
			assert.EqualError(t, Config{LeakTTL: ttl, LeakEntries: entries}.CheckDemo(), fmt.Sprintf("LEAK_TTL=%q: expected a length of time from 1ms to 1h, "+
				"for example \"10s\"\nLEAK_ENTRIES=%q: expected a whole number of entries from 1 to 10000000", ttl, entries))
		}
	}
}

// A new setting needs wrong values, too. Of some any text is right, here or at all.
func TestEverySettingHasAWrongValue(t *testing.T) {
	tried := map[string]bool{"BODY": true, "SERVER_IMAGE": true, "LEAK": true, "LEAK_BYTES": true, "LEAK_TTL": true, "LEAK_ENTRIES": true}
	for _, test := range wrongSettings() {
		tried[test.name] = true
	}
	for field := range reflect.TypeFor[Config]().Fields() {
		assert.True(t, tried[field.Tag.Get("env")], "%s: no wrong value is in wrongSettings", field.Name)
	}
}

func TestSettingsThatAreWrongTogether(t *testing.T) {
	for _, test := range []struct {
		settings map[string]string
		want     string
	}{
		{map[string]string{"PORT": "9102", "METRICS_PORT": "9102"}, `METRICS_PORT="9102": expected another port than the server's PORT`},
		{map[string]string{"BODY": "a secret", "BODY_FILE": "b"}, `BODY_FILE="b": expected nothing beside BODY; give one of the two`},
		{map[string]string{"BASIC_AUTH": "me:secret", "HEADERS": "X: y|authorization: secret"}, `HEADERS: expected no Authorization beside BASIC_AUTH; give one of the two`},
		{map[string]string{"REQUESTS": "1000000", "RATE": "1"}, `RATE="1": expected at least 277.778, so that REQUESTS=1000000 take no longer than 1h0m0s`},
		{map[string]string{"PROTOSET": "hello.protoset", "PROTOCOL": "h2c"}, `PROTOSET="hello.protoset": expected nothing, or PROTOCOL=grpc or grpcs`},
		{map[string]string{"REQUEST_PATH": "/hello", "PROTOCOL": "grpc"}, `REQUEST_PATH="/hello": expected "/package.Service/Method" with PROTOCOL=grpc`},
		{map[string]string{"UNIQUE": "body,cookie", "SHAPE": "unique", "PROTOCOL": "grpc"}, `UNIQUE="body,cookie": expected some of host, user-agent, cookie, header with PROTOCOL=grpc`},
		{map[string]string{"UNIQUE": "method", "SHAPE": "unique", "PROTOCOL": "ws"}, `UNIQUE="method": expected no method with PROTOCOL=ws`},
		{map[string]string{"UNIQUE": "body", "SHAPE": "unique", "PROTOCOL": "sse"}, `UNIQUE="body": expected no body with PROTOCOL=sse`},
		{map[string]string{"METHOD": "PUT", "PROTOCOL": "grpcs"}, `METHOD="PUT": expected nothing with PROTOCOL=grpcs: each call is a POST`},
		{map[string]string{"PROTOCOL": "ws", "METHOD": "POST"}, `METHOD="POST": expected GET with PROTOCOL=ws`},
		{map[string]string{"PROTOCOL": "wss", "HEADERS": "upgrade: h2c"}, `HEADERS: expected no upgrade with PROTOCOL=wss: the loader sets it`},
		{map[string]string{"PROTOCOL": "ws", "ALIGN": "true", "METRICS_URL": "http://a/"}, `ALIGN="true": expected false with PROTOCOL=ws`},
		{map[string]string{"PROTOCOL": "sse", "BODY": "a secret"}, `BODY: expected none with PROTOCOL=sse: a subscriber sends nothing`},
		{map[string]string{"PROTOCOL": "sse", "BODY_FILE": "b"}, `BODY_FILE="b": expected none with PROTOCOL=sse`},
		{map[string]string{"PROTOCOL": "sse", "SHAPE": "churn,upload"}, `SHAPE="churn,upload": expected no upload with PROTOCOL=sse`},
		{map[string]string{"PROTOCOL": "sse", "RATE": "5"}, `RATE="5": expected 0, or SHAPE=churn, abort or unique, whose subscriptions have a rate, with PROTOCOL=sse`},
		{map[string]string{"METRICS_URL": "ftp://me:secret@server/"}, `METRICS_URL: expected an address such as "http://server:9101/metrics"`},
	} {
		_, err := Parse(test.settings)
		assert.EqualError(t, err, test.want)
	}
	for _, right := range []map[string]string{
		{"REQUESTS": "1000000", "RATE": "278"}, {"REQUESTS": "1000000000"}, {"HEADERS": "Authorization: Bearer x"}, {"DURATION": "1ms", "TIMEOUT": "1h"},
		{"HOST": "fe80::1%eth0"}, {"HOST": "my_service.local."}, {"HOST": "3com.example"}, {"METHOD": "M-SEARCH"}, {"PROTOCOL": "grpc", "METHOD": "POST", "PROTOSET": "a"},
		{"PROTOCOL": "ws", "BODY": "x", "RATE": "5", "SHAPE": "upload,abort", "HEADERS": "Sec-WebSocket-Protocol: chat"},
		{"PROTOCOL": "sse", "RATE": "5", "SHAPE": "churn,abort,unique"}, {"RESULTS": "my results"},
	} {
		_, err := Parse(right)
		assert.NoError(t, err, right)
	}
}

func TestLoadCommand(t *testing.T) {
	c, err := Parse(map[string]string{"LOAD_COMMAND": `hey -z {duration} -q {rate} -H "A: b c" {url}`, "RATE": "10"})
	require.NoError(t, err)
	assert.Equal(t, Command{"hey", "-z", "{duration}", "-q", "{rate}", "-H", "A: b c", "{url}"}, c.LoadCommand)
	c, err = Parse(map[string]string{"LOAD_COMMAND": ""})
	require.NoError(t, err)
	assert.Nil(t, c.LoadCommand)

	_, err = Parse(map[string]string{"LOAD_COMMAND": "wrk {url}", "RATE": "0.5", "REQUESTS": "7", "SHAPE": "churn,idle", "URL_FILE": "urls", "CONNECTIONS": "fresh"})
	assert.EqualError(t, err, `REQUESTS="7": expected {requests} in LOAD_COMMAND, or 0: LOAD_COMMAND is the load
RATE="0.5": expected {rate} in LOAD_COMMAND, or 0: LOAD_COMMAND is the load
SHAPE="churn,idle": expected nothing: LOAD_COMMAND is the load
URL_FILE="urls": expected nothing: LOAD_COMMAND is the load
CONNECTIONS="fresh": expected nothing: LOAD_COMMAND is the load`)
	_, err = Parse(map[string]string{"LOAD_COMMAND": "hey -n {requests} {url}"})
	assert.EqualError(t, err, `REQUESTS="0": expected more than 0, since LOAD_COMMAND has {requests}`)
	_, err = Parse(map[string]string{"LOAD_COMMAND": "hey -n {requests} {url}", "REQUESTS": "7"})
	assert.NoError(t, err)
}

func TestAlign(t *testing.T) {
	c, err := Parse(map[string]string{"ALIGN": "true", "METRICS_URL": "http://server:9101/metrics", "SCRAPE_WAIT": "20s"})
	require.NoError(t, err)
	assert.True(t, c.Align)
	assert.Equal(t, Pause(20*time.Second), c.ScrapeWait)
	assert.Equal(t, 10, c.Iterations(), "a number by default")
	c, err = Parse(map[string]string{"ALIGN": "true", "METRICS_URL": "http://server:9101/metrics", "TRIES": "7"})
	require.NoError(t, err)
	assert.Equal(t, 7, c.Iterations())
	_, err = Parse(map[string]string{"ALIGN": "true", "REQUESTS": "7", "SHAPE": "churn,idle", "TRIES": "auto"})
	assert.EqualError(t, err, `REQUESTS="7": expected 0 with ALIGN=true: all loaders begin and end together
TRIES="auto": expected a number with ALIGN=true: all loaders begin and end together
SHAPE="churn,idle": expected one shape with ALIGN=true: all loaders begin and end together
METRICS_URL="": expected where the server counts its requests with ALIGN=true: all loaders begin and end together`)
	_, err = Parse(map[string]string{"ALIGN": "true", "LOAD_COMMAND": "wrk {url}", "METRICS_URL": "http://server:9101/metrics"})
	assert.EqualError(t, err, `LOAD_COMMAND: expected none with ALIGN=true: all loaders begin and end together`)
}

func TestChosenMetrics(t *testing.T) {
	c, err := Parse(map[string]string{
		"METRICS_URL": "http://server:9101/metrics", "METRICS_MEMORY": `container_memory_rss{name="web"}`, "METRICS_REQUESTS": "calls_total",
	})
	require.NoError(t, err)
	assert.Equal(t, `container_memory_rss{name="web"} calls_total`, c.MetricsMemory.String()+" "+c.MetricsRequests.String())
	other := c.OfBaseline()
	assert.True(t, other.MetricsMemory.IsZero() && other.MetricsRequests.IsZero(), "they are the server's")

	_, err = Parse(map[string]string{"METRICS_MEMORY": `a{b="c"}`, "METRICS_REQUESTS": "d"})
	assert.EqualError(t, err, `METRICS_MEMORY="a{b=\"c\"}": expected METRICS_URL as well, where that metric is
METRICS_REQUESTS="d": expected METRICS_URL as well, where that metric is`)
	for _, pid := range []string{"77", "shared"} {
		_, err = Parse(map[string]string{"METRICS_URL": "http://server:9101/metrics", "METRICS_MEMORY": "a", "METRICS_REQUESTS": "b", "SERVER_PID": pid})
		assert.EqualError(t, err, `METRICS_MEMORY="a": expected none with SERVER_PID: the memory of that process is read`)
	}
}

func TestBaseline(t *testing.T) {
	c, err := Parse(map[string]string{"BASELINE": `./old --listen "{host}:{port}" '{x}'`, "PORT": "4000", "METRICS_URL": "http://server:9101/metrics", "PPROF_URL": "http://server:9101/debug/pprof/"})
	require.NoError(t, err)
	other := c.OfBaseline()
	assert.Equal(t, "127.0.0.1:4001", other.Address())
	assert.Empty(t, other.MetricsURL+other.PprofURL, "they are the server's")
	assert.Equal(t, []string{"./old", "--listen", "127.0.0.1:4001", "{x}"}, c.Baseline.At(other.Host, other.Port))
	assert.Equal(t, 10, c.Iterations(), "a number by default")
	c, err = Parse(map[string]string{"BASELINE": "old", "BASELINE_PORT": "80", "TRIES": ""})
	require.NoError(t, err)
	assert.Equal(t, 10, c.Iterations())
	assert.Equal(t, "127.0.0.1:80", c.OfBaseline().Address())
	c, err = Parse(map[string]string{"BASELINE": "nginx:1.28", "HOST": "server", "PORT": "80", "BASELINE_HOST": "baseline", "BASELINE_PORT": "80", "SERVER_PID": "shared"})
	require.NoError(t, err)
	assert.Equal(t, "baseline:80", c.OfBaseline().Address())
	c, err = Parse(map[string]string{"BASELINE": "", "TRIES": "auto", "PORT": "65535"})
	require.NoError(t, err)
	assert.Nil(t, c.Baseline)

	const port = `a port from 1 to 65535 that is neither PORT nor METRICS_PORT (it is PORT+1 if it is not set)`
	for _, test := range []struct {
		settings map[string]string
		want     string
	}{
		{map[string]string{"BASELINE": "'old"}, `BASELINE="'old": expected a ' at the end of what it quotes`},
		{map[string]string{"BASELINE_PORT": "0"}, `BASELINE_PORT="0": expected a port number from 1 to 65535`},
		{map[string]string{"BASELINE": "old", "BASELINE_PORT": "3030"}, `BASELINE_PORT="3030": expected ` + port},
		{map[string]string{"BASELINE": "old", "PORT": "9101", "METRICS_PORT": "9102"}, `BASELINE_PORT="9102": expected ` + port},
		{map[string]string{"BASELINE": "old", "PORT": "65535"}, `BASELINE_PORT="0": expected ` + port},
		{map[string]string{"BASELINE": "old", "TRIES": "auto"}, `TRIES="auto": expected a number with BASELINE: it is one comparison, when all iterations are there`},
		{map[string]string{"BASELINE": "old", "ALIGN": "true", "METRICS_URL": "http://server:9101/metrics"}, `ALIGN="true": expected false with BASELINE: the servers are loaded in turns, by one loader`},
		{map[string]string{"BASELINE": "old", "LOAD_COMMAND": "wrk {url} secret"}, `LOAD_COMMAND: expected none with BASELINE: the loader's own load gives both servers equal requests`},
		{map[string]string{"BASELINE": "old", "SERVER_PID": "7"}, `SERVER_PID="7": expected none with BASELINE: both servers are started by the loader`},
		{map[string]string{"BASELINE_HOST": "old"}, `BASELINE_HOST="old": expected BASELINE as well, which names what runs there`},
		{map[string]string{"BASELINE": "old", "BASELINE_HOST": "old"}, `BASELINE_HOST="old": expected nothing but with compose/baseline.yml: a baseline that runs already is found in its PID namespace`},
	} {
		_, err := Parse(test.settings)
		assert.EqualError(t, err, test.want)
	}
}

func TestWrongSecretsAreNotRepeated(t *testing.T) {
	for name, values := range map[string][]string{
		"BASIC_AUTH":  {"secret"},
		"METRICS_URL": {"ftp://me:secret@host/", "//host/?token=secret"}, "PPROF_URL": {"http://me:secret@[::/"},
		"HEADERS": {"Authorization secret", "A: b|secret", "Content-Length: secret", "Content-Length: 7|A: secret", ": secret"},
	} {
		for _, value := range values {
			_, err := Parse(map[string]string{name: value})
			require.Error(t, err, value)
			assert.Regexp(t, "^"+name+": expected ", err.Error())
			assert.NotContains(t, err.Error(), "secret")
		}
	}
	for _, value := range []string{"hey -H 'A: secret", "hey {secret}", "'secret"} {
		_, err := Parse(map[string]string{"LOAD_COMMAND": value})
		require.Error(t, err)
		assert.NotContains(t, strings.ReplaceAll(err.Error(), "{secret} is no placeholder", ""), "secret")
	}
}

func TestAllWrongSettingsAreReportedTogether(t *testing.T) {
	_, err := Parse(map[string]string{"TRIES": "x", "DURATION": "3", "PORT": "0", "REQUESTS": "-5"})
	assert.EqualError(t, err, `TRIES="x": expected a whole number (iterations) from 1 to 10000, or "auto"
PORT="0": expected a port number from 1 to 65535
DURATION="3": missing unit, for example "3s", or "auto"
REQUESTS="-5": expected a whole number of requests, or 0 for as many as fit into DURATION`)
}

// FuzzParse sets two settings, of all, at a time: what is accepted is what the program can work with, and what is not is
// named, once, without its value if that may be secret.
func FuzzParse(f *testing.F) {
	var names []string
	for field := range reflect.TypeFor[Config]().Fields() {
		names = append(names, field.Tag.Get("env"))
	}
	for _, test := range wrongSettings() {
		f.Add(uint8(slices.Index(names, test.name)), test.value, uint8(0), "10")
	}
	f.Add(uint8(slices.Index(names, "HEADERS")), "A: b|C:d", uint8(slices.Index(names, "BASIC_AUTH")), "a:b")
	f.Add(uint8(slices.Index(names, "METRICS_URL")), "http://me:secret@[::1]:80/a?b#c", uint8(slices.Index(names, "LOAD_COMMAND")), "wrk '{url}' {rate}")
	f.Fuzz(func(t *testing.T, first uint8, firstValue string, second uint8, secondValue string) {
		one, other := names[int(first)%len(names)], names[int(second)%len(names)]
		c, err := Parse(map[string]string{one: firstValue, other: secondValue})
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				name, _, _ := strings.Cut(line, ":")
				name, _, _ = strings.Cut(name, "=")
				if !slices.Contains(names, name) || !strings.Contains(line, "expected ") && !strings.Contains(line, "missing unit, for example ") {
					t.Fatalf("%q", line)
				}
				if slices.Contains(secret, name) && strings.Contains(line, name+"=") {
					t.Fatalf("%q repeats what may be secret", line)
				}
			}
			return
		}
		within := func(length, least time.Duration) bool { return length >= least && length <= time.Hour }
		switch {
		case c.Tries < 0 || c.Tries > 10_000 || c.MaxTries < 1 || c.Iterations() < 1,
			!(c.Tolerance > 0 && c.Tolerance <= 1e9),
			c.Port == 0 || c.Port == c.MetricsPort,
			c.Duration != AutoBurst && !within(time.Duration(c.Duration), time.Millisecond),
			!within(time.Duration(c.Timeout), time.Millisecond) || !within(time.Duration(c.StartTimeout), time.Millisecond),
			c.Settle != AutoRest && !within(time.Duration(c.Settle), 0), c.Release != AutoRest && !within(time.Duration(c.Release), 0), !within(time.Duration(c.ScrapeWait), 0),
			c.Workers < 1 || c.Workers > 50_000 || c.Requests > mostRequests || c.BodyBytes < 0 || c.ServerPID < Shared,
			!(c.Rate == 0 || c.Rate >= 0.001),
			len(c.Shapes) == 0 || c.Results == "":
			t.Fatalf("accepted %+v", c)
		}
		if _, _, err := net.SplitHostPort(c.Address()); err != nil {
			t.Fatal(err)
		}
		// What is sent is one request, with nothing in it that ends a line.
		request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", c.Method, c.RequestPath, c.Address())
		for _, field := range c.Headers {
			if !strings.EqualFold(field.Name, "Host") {
				request += field.Name + ": " + field.Value + "\r\n"
			}
		}
		sent, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request + "\r\n")))
		if err != nil {
			t.Fatalf("%v, of %q", err, request)
		}
		if sent.Method != string(c.Method) || sent.RequestURI != string(c.RequestPath) {
			t.Fatalf("%q is read as %s %s", request, sent.Method, sent.RequestURI)
		}
		for _, address := range []URL{c.MetricsURL, c.PprofURL} {
			if address == "" {
				continue
			}
			if _, err := http.NewRequest(http.MethodGet, string(address), nil); err != nil {
				t.Fatal(err)
			}
		}
	})
}
