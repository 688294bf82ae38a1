package load

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keys are what a server may key its state on, by the dimension of that name.
func keys(r *http.Request, body string) map[string]string {
	var names []string
	for name := range r.Header {
		if name != "Cookie" && name != "User-Agent" && name != "Content-Length" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return map[string]string{
		"path": r.URL.Path, "query": r.URL.RawQuery, "method": r.Method, "host": r.Host, "user-agent": r.UserAgent(),
		"cookie": r.Header.Get("Cookie"), "header": strings.Join(names, ","), "body": body,
	}
}

// kept returns how many different keys a server has seen in each dimension.
func (w *witness) kept() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen, kept := make(map[string]bool), make(map[string]int)
	for n, r := range w.requests {
		for name, key := range keys(r, w.bodies[n]) {
			if !seen[name+"\n"+key] {
				seen[name+"\n"+key] = true
				kept[name]++
			}
		}
	}
	return kept
}

// uniquely loads a witness with the shape unique, twice, by 25 requests, and returns it.
func uniquely(t *testing.T, protocol Protocol, request Request) *witness {
	t.Helper()
	w := newWitness(t, protocol)
	plan := planFor("unique", w.Listener.Addr().String(), request)
	plan.Protocol, plan.Insecure, plan.Requests = protocol, true, 25
	for range 2 { // what is new stays new in the next iteration
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
	}
	return w
}

// State that a server keys on one part of a request grows if that part is named, and not otherwise.
func TestUniqueIsNewInThePartsThatAreNamed(t *testing.T) {
	named := map[string][]string{"as usual": nil, "all": DimensionNames()}
	for _, name := range DimensionNames() {
		named[name] = []string{name}
	}
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		for name, dimensions := range named {
			t.Run(name, func(t *testing.T) {
				want := make(map[string]int)
				for _, d := range DimensionNames() {
					want[d] = 1
					if slices.Contains(dimensions, d) || dimensions == nil && (d == "path" || d == "header") {
						want[d] = 50
					}
				}
				assert.Equal(t, want, uniquely(t, protocol, Request{Paths: []string{"/a?b=c"}, Unique: dimensions}).kept())
			})
		}
	})
}

// What the request has in those parts stays there.
func TestUniqueKeepsWhatTheRequestHas(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := uniquely(t, protocol, Request{
			Method: "PUT", Paths: []string{"/a?b=c"}, Host: "example.com", Body: strings.NewReader("d=e"), Unique: DimensionNames(),
			Header: []Field{{"User-Agent", "Mozilla/5.0 (X11)"}, {"cookie", "session=7"}, {"Accept", "text/html"}},
		})
		assert.Equal(t, 50, w.kept()["body"])
		w.mu.Lock()
		defer w.mu.Unlock()
		for n, r := range w.requests {
			number := strings.TrimPrefix(r.URL.Path, "/a-")
			assert.Regexp(t, `^\d+$`, number)
			assert.Equal(t, "b=c&leaklab-"+number+"="+number, r.URL.RawQuery)
			assert.Regexp(t, `^PUT-[A-Z]+$`, r.Method)
			assert.Equal(t, "leaklab-"+number+".example.com", r.Host)
			assert.Equal(t, "Mozilla/5.0 (X11) leaklab/"+number, r.UserAgent())
			assert.Equal(t, "session=7; leaklab-"+number+"="+number, r.Header.Get("Cookie"))
			assert.Equal(t, number, r.Header.Get("X-Leaklab-"+number))
			assert.Equal(t, "text/html", r.Header.Get("Accept"))
			assert.Equal(t, "d=e-"+number, w.bodies[n])
		}
	})
}

// numbered is an exchange with the seventh number in the dimensions of these names.
func numbered(e Exchange, names ...string) Exchange {
	for _, d := range dimensionsNamed(names) {
		d.number(&e, "7")
	}
	return e
}

func TestTheNumberStandsAtItsPlaceholders(t *testing.T) {
	header := []Field{{"user-agent", "a{unique}"}, {"Cookie", "session={unique}; b={unique}"}, {"X-Trace", "t-{unique}"}, {"X-User", "{unique}"}, {"Accept", "*/*"}}
	body := `{"name": "u-{unique}", "id": {unique}}`
	e := Exchange{Method: "GET", Host: "{unique}.example.com:80", Path: "/a/{unique}/%7Bunique%7D/c?d={unique}&e=f", Header: header, Body: strings.NewReader(body)}
	for name, want := range map[string]string{
		"path":       "GET {unique}.example.com:80 /a/7/7/c?d={unique}&e=f [{user-agent a{unique}} {Cookie session={unique}; b={unique}} {X-Trace t-{unique}} {X-User {unique}} {Accept */*}] " + body,
		"query":      "GET {unique}.example.com:80 /a/{unique}/%7Bunique%7D/c?d=7&e=f [{user-agent a{unique}} {Cookie session={unique}; b={unique}} {X-Trace t-{unique}} {X-User {unique}} {Accept */*}] " + body,
		"host":       "GET 7.example.com:80 /a/{unique}/%7Bunique%7D/c?d={unique}&e=f [{user-agent a{unique}} {Cookie session={unique}; b={unique}} {X-Trace t-{unique}} {X-User {unique}} {Accept */*}] " + body,
		"user-agent": "GET {unique}.example.com:80 /a/{unique}/%7Bunique%7D/c?d={unique}&e=f [{user-agent a7} {Cookie session={unique}; b={unique}} {X-Trace t-{unique}} {X-User {unique}} {Accept */*}] " + body,
		"cookie":     "GET {unique}.example.com:80 /a/{unique}/%7Bunique%7D/c?d={unique}&e=f [{user-agent a{unique}} {Cookie session=7; b=7} {X-Trace t-{unique}} {X-User {unique}} {Accept */*}] " + body,
		"header":     "GET {unique}.example.com:80 /a/{unique}/%7Bunique%7D/c?d={unique}&e=f [{user-agent a{unique}} {Cookie session={unique}; b={unique}} {X-Trace t-7} {X-User 7} {Accept */*}] " + body,
		"body":       "POST {unique}.example.com:80 /a/{unique}/%7Bunique%7D/c?d={unique}&e=f [{user-agent a{unique}} {Cookie session={unique}; b={unique}} {X-Trace t-{unique}} {X-User {unique}} {Accept */*}] " + `{"name": "u-7", "id": 7}`,
	} {
		n := numbered(e, name)
		content, err := io.ReadAll(io.NewSectionReader(n.Body, 0, n.Body.Size()))
		require.NoError(t, err)
		assert.Equal(t, want, fmt.Sprint(n.Method, " ", n.Host, " ", n.Path, " ", n.Header, " ", string(content)), name)
	}
	assert.Equal(t, "a{unique}", header[0].Value, "the request is as it was")
}

// A method is a token (RFC 9110, section 9.1) of capitals and hyphens, since nginx takes no other.
func TestUniqueMethodsAreValid(t *testing.T) {
	seen := make(map[string]bool)
	for n := range uint64(20_000) {
		e := Exchange{Method: "OPTIONS"}
		numberMethod(&e, strconv.FormatUint(n+1, 10))
		assert.Regexp(t, `^OPTIONS-[A-Z]{1,5}$`, e.Method)
		seen[e.Method] = true
	}
	assert.Len(t, seen, 20_000)
	e := Exchange{Method: "OPTIONS"}
	numberMethod(&e, "100000000000")
	assert.LessOrEqual(t, len(e.Method), 20, "the most that gunicorn takes")
}

func TestUniqueHostsAreValid(t *testing.T) {
	valid := regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]+(:\d+)?$`)
	long := strings.Repeat("a.", 122) + "b"
	for host, want := range map[string]string{
		"127.0.0.1:3030": "leaklab-7.localhost:3030", "[::1]:80": "leaklab-7.localhost:80", "::1": "leaklab-7.localhost", "[::1]": "leaklab-7.localhost",
		"server:80": "leaklab-7.server:80", "localhost": "leaklab-7.localhost", "example.com": "leaklab-7.example.com", long + ":80": "leaklab-7.localhost:80",
	} {
		e := numbered(Exchange{Host: host}, "host")
		assert.Equal(t, want, e.Host, host)
		assert.Regexp(t, valid, e.Host)
	}
}

func TestUniqueQueryOfAPathWithoutOne(t *testing.T) {
	for path, want := range map[string]string{"/a": "/a?leaklab-7=7", "/a?": "/a?leaklab-7=7", "/a?b": "/a?b&leaklab-7=7"} {
		assert.Equal(t, want, numbered(Exchange{Path: path}, "query").Path)
	}
}

// A large body is read while it is sent, with its number after it.
func TestUniqueBodiesMayBeLarge(t *testing.T) {
	body := strings.Repeat("0123456789", wholeLimit/10+1)
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := uniquely(t, protocol, Request{Method: "POST", Paths: []string{"/"}, Body: strings.NewReader(body), Unique: []string{"body"}})
		assert.Equal(t, 50, w.kept()["body"])
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, sent := range w.bodies {
			assert.True(t, strings.HasPrefix(sent, body+"-"))
		}
	})
}

func TestJoinedBodiesAreOne(t *testing.T) {
	j := joined{strings.NewReader("one"), strings.NewReader(""), strings.NewReader("-2"), strings.NewReader("-three")}
	require.NoError(t, iotest.TestReader(io.NewSectionReader(j, 0, j.Size()), []byte("one-2-three")))
	n, err := j.ReadAt(make([]byte, 4), 9)
	assert.Equal(t, 2, n)
	assert.ErrorIs(t, err, io.EOF)
	broken := joined{brokenBody{}, strings.NewReader("-1")}
	_, err = broken.ReadAt(make([]byte, 4), 0)
	assert.ErrorIs(t, err, errBroken)
	e := Exchange{Method: "PUT", Body: brokenBody{}}
	numberBody(&e, "1")
	assert.EqualValues(t, 4, e.Body.Size(), "its error is that of sending it")
}

var errBroken = errors.New("broken")

// brokenBody cannot be read.
type brokenBody struct{}

func (brokenBody) Size() int64                       { return 2 }
func (brokenBody) ReadAt([]byte, int64) (int, error) { return 0, errBroken }

func TestDimensionsAreDescribedForTables(t *testing.T) {
	for _, d := range Dimensions() {
		assert.NotEmpty(t, d.Help, d.Name)
		assert.NotRegexp(t, "[|\n`]", d.Help, "it is plain text that fits into a cell of a table")
	}
}
