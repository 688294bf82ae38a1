package load

import (
	"bufio"
	"strings"
	"testing"
)

// helloAnswer is what the demo server answers.
const helloAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 12\r\n\r\nHello, warp!"

func BenchmarkReadResponse(b *testing.B) {
	source := strings.NewReader("")
	r := bufio.NewReaderSize(source, readBufferSize)
	b.ReportAllocs()
	for b.Loop() {
		source.Reset(helloAnswer)
		r.Reset(source)
		if _, err := readResponse(r, "GET"); err != nil {
			b.Fatal(err)
		}
	}
}
