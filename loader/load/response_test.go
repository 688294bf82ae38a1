package load

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
)

const okLine = "HTTP/1.1 200 OK\r\n"

// answers are the test cases of the parser and the seeds of its fuzz test. "NEXT" follows each response, or nothing if it
// ends with the connection.
var answers = map[string]struct {
	answer string
	method string // GET if empty
	code   int    // 0: a bad response
	close  bool
}{
	"length":                       {answer: okLine + "Content-Length: 2\r\n\r\nhi", code: 200},
	"length, without spaces":       {answer: okLine + "content-length:2\r\n\r\nhi", code: 200},
	"length, with spaces":          {answer: okLine + "CONTENT-LENGTH: \t2 \r\n\r\nhi", code: 200},
	"no body":                      {answer: okLine + "Content-Length: 0\r\n\r\n", code: 200},
	"no reason":                    {answer: "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", code: 404},
	"bare line feeds":              {answer: "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", code: 200},
	"the same length twice":        {answer: okLine + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", code: 200},
	"two lengths":                  {answer: okLine + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi"},
	"negative length":              {answer: okLine + "Content-Length: -2\r\n\r\nhi"},
	"signed length":                {answer: okLine + "Content-Length: +2\r\n\r\nhi"},
	"empty length":                 {answer: okLine + "Content-Length:\r\n\r\nhi"},
	"length that is no number":     {answer: okLine + "Content-Length: 2, 2\r\n\r\nhi"},
	"length above all":             {answer: okLine + "Content-Length: 99999999999999999999\r\n\r\nhi"},
	"folded length":                {answer: okLine + "Content-Length: 2\r\n 0\r\n\r\nhi"},
	"folded line":                  {answer: okLine + "X: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\nhi", code: 200},
	"line without colon":           {answer: okLine + "Content-Length\r\n\r\n"},
	"no length":                    {answer: okLine + "\r\nhello", code: 200, close: true},
	"HTTP/1.0":                     {answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", code: 200, close: true},
	"HTTP/1.0, kept alive":         {answer: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi", code: 200},
	"HTTP/1.0, in chunks":          {answer: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	"told to close":                {answer: okLine + "Connection: x, Close\r\nContent-Length: 2\r\n\r\nhi", code: 200, close: true},
	"told both":                    {answer: okLine + "Connection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", code: 200, close: true},
	"chunks":                       {answer: okLine + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0a\r\n0123456789\r\n0\r\n\r\n", code: 200},
	"chunks with an extension":     {answer: okLine + "Transfer-Encoding: Chunked\r\n\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n", code: 200},
	"chunks with a trailer":        {answer: okLine + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nT: 1\r\nU: 2\r\n\r\n", code: 200},
	"chunks and a length":          {answer: okLine + "Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", code: 200},
	"chunk without a size":         {answer: okLine + "Transfer-Encoding: chunked\r\n\r\n\r\nhi\r\n0\r\n\r\n"},
	"chunk of a negative size":     {answer: okLine + "Transfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n"},
	"chunk of a size above all":    {answer: okLine + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhi\r\n0\r\n\r\n"},
	"chunk that is longer":         {answer: okLine + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n"},
	"compressed chunks":            {answer: okLine + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
	"chunked twice":                {answer: okLine + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	"interim":                      {answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\nContent-Length: 9\r\n\r\n" + okLine + "Content-Length: 2\r\n\r\nhi", code: 200},
	"interim without end":          {answer: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 4000)},
	"other protocol":               {answer: "HTTP/1.1 101 Switching Protocols\r\n\r\n", code: 101, close: true},
	"no content":                   {answer: "HTTP/1.1 204 No Content\r\n\r\n", code: 204},
	"not modified, with a length":  {answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", code: 304},
	"HEAD, with a length":          {answer: okLine + "Content-Length: 9\r\n\r\n", method: "HEAD", code: 200},
	"HEAD, in chunks":              {answer: okLine + "Transfer-Encoding: chunked\r\n\r\n", method: "HEAD", code: 200},
	"HEAD, without a length":       {answer: okLine + "\r\n", method: "HEAD", code: 200},
	"long line":                    {answer: okLine + "X: " + strings.Repeat("x", 50_000) + "\r\nContent-Length: 2\r\n\r\nhi", code: 200},
	"long line that matters":       {answer: okLine + "Content-Length:" + strings.Repeat(" ", 50_000) + "2\r\n\r\nhi"},
	"header of many lines":         {answer: okLine + strings.Repeat("X: y\r\n", 5000) + "Content-Length: 2\r\n\r\nhi", code: 200},
	"header that is too long":      {answer: okLine + strings.Repeat("X: y\r\n", 20_000) + "Content-Length: 2\r\n\r\nhi"},
	"line that is too long":        {answer: okLine + "X: " + strings.Repeat("x", 70_000) + "\r\nContent-Length: 2\r\n\r\nhi"},
	"trailer that is too long":     {answer: okLine + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 20_000) + "\r\n"},
	"chunk line that is too long":  {answer: okLine + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("x", 70_000) + "\r\nhi\r\n0\r\n\r\n"},
	"code of two digits":           {answer: "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"},
	"code of four digits":          {answer: "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"},
	"code below all":               {answer: "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"},
	"another version":              {answer: "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"},
	"not HTTP":                     {answer: "220 mail.example ESMTP\r\n"},
	"nothing in front":             {answer: "\r\n" + okLine + "Content-Length: 0\r\n\r\n"},
	"large body":                   {answer: okLine + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000), code: 200},
	"large body until the close":   {answer: okLine + "\r\n" + strings.Repeat("x", 100_000), code: 200, close: true},
	"connection that says nothing": {answer: okLine + "Connection:\r\nContent-Length: 0\r\n\r\n", code: 200},
}

// endless is true for a response that ends with the connection.
func endless(answer string) bool {
	header, _, _ := strings.Cut(answer, "\r\n\r\n")
	return strings.HasPrefix(header, "HTTP/1.1 200") && !strings.Contains(strings.ToLower(header), "content-length") &&
		!strings.Contains(strings.ToLower(header), "transfer-encoding")
}

func TestAnswersAreReadToTheirLastByte(t *testing.T) {
	for name, test := range answers {
		t.Run(name, func(t *testing.T) {
			method, next := test.method, "NEXT"
			if method == "" {
				method = "GET"
			}
			if method == "GET" && endless(test.answer) {
				next = ""
			}
			for packets, split := range map[string]func(io.Reader) io.Reader{
				"whole":         func(r io.Reader) io.Reader { return r },
				"byte by byte":  iotest.OneByteReader,
				"in halves":     iotest.HalfReader,
				"end with data": iotest.DataErrReader,
			} {
				r := bufio.NewReaderSize(split(strings.NewReader(test.answer+next)), readBufferSize)
				a, err := readResponse(r, method)
				if test.code == 0 {
					assert.Error(t, err, packets)
					assert.Equal(t, BadResponse, classify(err), packets)
					continue
				}
				assert.NoError(t, err, packets)
				assert.Equal(t, test.code, a.code, packets)
				assert.Equal(t, test.close, a.close, packets)
				rest, _ := io.ReadAll(r)
				assert.Equal(t, next, string(rest), packets)
			}
		})
	}
}

func TestAnswersThatAreCutOffAreNoAnswers(t *testing.T) {
	for name, test := range answers {
		if test.code == 0 || test.method == "HEAD" || len(test.answer) > 1000 || endless(test.answer) {
			continue
		}
		for n := range len(test.answer) {
			_, err := readResponse(bufio.NewReader(strings.NewReader(test.answer[:n])), "GET")
			assert.Equal(t, Reset, classify(err), "%s, after %d bytes", name, n)
		}
	}
}

func TestReadingAnAnswerTakesNoMemory(t *testing.T) {
	for _, name := range []string{"length", "chunks with a trailer", "long line", "large body", "told to close"} {
		source := strings.NewReader("")
		r := bufio.NewReaderSize(source, readBufferSize)
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			source.Reset(answers[name].answer)
			r.Reset(source)
			if _, err := readResponse(r, "GET"); err != nil {
				t.Error(err)
			}
		}), name)
	}
}

// FuzzReadResponse compares with net/http where both accept a response. Each accepts responses that the other does not:
// net/http accepts headers of any size, and this parser more line endings.
func FuzzReadResponse(f *testing.F) {
	for _, test := range answers {
		if len(test.answer) < 1000 { // large ones only slow it down
			f.Add([]byte(test.answer), test.method == "HEAD")
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		// A second response follows: its rest shows how much was read.
		answer = append(bytes.Clone(answer), okLine+"Content-Length: 0\r\n\r\n"...)
		ours := bufio.NewReaderSize(bytes.NewReader(answer), readBufferSize)
		a, err := readResponse(ours, method)
		split, errSplit := readResponse(bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(answer)), readBufferSize), method)
		if (err == nil) != (errSplit == nil) || classify(err) != classify(errSplit) || err == nil && (split.code != a.code || split.close != a.close) {
			t.Fatalf("whole: %+v %v; byte by byte: %+v %v", a, err, split, errSplit)
		}
		if err != nil {
			return
		}
		theirs := bufio.NewReaderSize(bytes.NewReader(answer), readBufferSize)
		want, err := theirResponse(theirs, method)
		if err != nil {
			return
		}
		if a.code != want.StatusCode || a.code != http.StatusSwitchingProtocols && a.close != want.Close {
			t.Fatalf("status %d, close %t; net/http: %d, %t", a.code, a.close, want.StatusCode, want.Close)
		}
		rest, _ := io.ReadAll(ours)
		theirRest, _ := io.ReadAll(theirs)
		if !bytes.Equal(rest, theirRest) {
			t.Fatalf("left over %q; net/http: %q", rest, theirRest)
		}
	})
}

// theirResponse is readResponse with net/http.
func theirResponse(r *bufio.Reader, method string) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		if answer.StatusCode < 100 {
			return nil, errors.New("no such status")
		}
		if answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			_, err = io.Copy(io.Discard, answer.Body)
			return answer, err
		}
	}
}
