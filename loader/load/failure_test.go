package load

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsBadInAResponseIsNamed(t *testing.T) {
	for answer, want := range map[string]string{
		"220 mail.example ESMTP\r\n":                                                  "not HTTP",
		"HTTP/1.1 099 OK\r\n\r\n":                                                     "not HTTP",
		"HTTP/2.0 200 OK\r\n\r\n":                                                     "not HTTP",
		okLine + "X: " + strings.Repeat("x", 70_000):                                  "header too large",
		okLine + "Content-Length\r\n\r\n":                                             "malformed header",
		okLine + "Content-Length: -2\r\n\r\nhi":                                       "ambiguous length",
		okLine + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi":                   "ambiguous length",
		okLine + "Transfer-Encoding: gzip\r\n\r\n":                                    "ambiguous length",
		okLine + "Transfer-Encoding: chunked\r\n\r\nx\r\n":                            "malformed chunk",
		okLine + "Transfer-Encoding: chunked\r\n\r\n2\r\nhix\r\n":                     "malformed chunk",
		okLine + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n\r":       "malformed chunk",
		okLine + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 10_000): "malformed chunk",
		okLine + "Content-Length: 2\r\n\r\nh":                                         "", // cut off
	} {
		_, err := readResponse(bufio.NewReaderSize(strings.NewReader(answer), readBufferSize), "GET")
		assert.Equal(t, want, causeOf(err), "%.80q", answer)
	}
}

// The word is in the counts of an iteration, and in the error of a first request.
func TestWhatIsBadInAResponseIsTold(t *testing.T) {
	for answer, want := range map[string]string{
		"220 mail.example ESMTP\r\n\r\n":         "not HTTP",
		okLine + "Content-Length: 2\r\n\r\nhi!!": "data after its end",
	} {
		plan := planOf(rawServer(t, answer, false))
		plan.Requests = 3
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Equal(t, map[Reason]uint64{BadResponse: 3}, result.Errors)
		assert.Equal(t, want, result.BadResponse)
		_, err = Probe(t.Context(), plan)
		assert.EqualError(t, err, "no answer from http://"+plan.Address+"/ (bad_response: "+want+")")
	}
}

// And in that of a server that gives no other response.
func TestWhatIsBadInAllResponsesIsTold(t *testing.T) {
	t.Parallel()
	plan := planOf(rawServer(t, "220 mail.example ESMTP\r\n\r\n", false))
	plan.Timeout, plan.Requests, plan.Duration = 200*time.Millisecond, 0, 10*time.Second
	_, err := Run(t.Context(), plan, NewMeter())
	require.ErrorIs(t, err, ErrSilent)
	assert.Regexp(t, `\(bad_response \d+: not HTTP\)$`, err.Error())
}

// Data after the end of a response that a loop reads.
func TestALoopTellsWhatIsBad(t *testing.T) {
	plan := planOf(answersThen(t, okLine+"Content-Length: 2\r\n\r\nok", okLine+"Content-Length: 2\r\n\r\nok, and more"))
	plan.Requests = 2
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Equal(t, map[Reason]uint64{BadResponse: 1}, result.Errors)
	assert.Equal(t, "data after its end", result.BadResponse)
}

func TestHTTP1InAnswerToHTTP2IsNamed(t *testing.T) {
	plan := planOf(rawServer(t, okLine+"Content-Length: 0\r\n\r\n", true))
	plan.Protocol = H2C
	_, err := Probe(t.Context(), plan)
	assert.EqualError(t, err, "no answer from http://"+plan.Address+"/ (bad_response: HTTP/1.1 in answer to HTTP/2)")
}
