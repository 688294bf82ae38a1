package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// exchangeOf is how a request is sent over a connection: by quic-go's RoundTrip, by its request streams, or by its
// streams of QUIC alone, with a header that is encoded once.
func exchangeOf(api string, transport *http3.Transport, connection *quic.Conn, request *http.Request) (exchange, error) {
	switch api {
	case "roundtrip":
		return roundTrip(transport.NewClientConn(connection), request), nil
	case "streams":
		return requestStream(transport.NewClientConn(connection), request), nil
	case "raw":
		return rawStream(connection, request)
	}
	return nil, fmt.Errorf("-api %q: expected roundtrip, streams or raw", api)
}

// read reads a body to the end.
func read(body io.Reader, buffer []byte) error {
	for {
		if _, err := body.Read(buffer); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func roundTrip(client *http3.ClientConn, request *http.Request) exchange {
	return func(_ context.Context, buffer []byte) error {
		response, err := client.RoundTrip(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return read(response.Body, buffer)
	}
}

func requestStream(client *http3.ClientConn, request *http.Request) exchange {
	return func(ctx context.Context, buffer []byte) error {
		stream, err := client.OpenRequestStream(ctx)
		if err != nil {
			return err
		}
		if err := stream.SendRequestHeader(request); err != nil {
			return err
		}
		_ = stream.Close() // fails if the server has answered already, and asks for no more
		response, err := stream.ReadResponse()
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return read(stream, buffer)
	}
}

// Of RFC 9114 and RFC 9204.
const (
	controlStream = 0x00
	headersFrame  = 0x01
	settingsFrame = 0x04
	status200     = 0xc0 | 25 // a line of the static table
)

// rawStream leaves HTTP/3 out as far as a server can be asked without it. It is a lower bound of what any client takes
// that is built upon quic-go: nothing is decoded but the status.
func rawStream(connection *quic.Conn, request *http.Request) (exchange, error) {
	control, err := connection.OpenUniStream()
	if err != nil {
		return nil, err
	}
	if _, err := control.Write([]byte{controlStream, settingsFrame, 0}); err != nil {
		return nil, err
	}
	var block bytes.Buffer
	encoder := qpack.NewEncoder(&block)
	for _, field := range []qpack.HeaderField{
		{Name: ":method", Value: request.Method}, {Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: request.URL.Host}, {Name: ":path", Value: request.URL.Path},
	} {
		if err := encoder.WriteField(field); err != nil {
			return nil, err
		}
	}
	if block.Len() > 63 {
		return nil, fmt.Errorf("a header of %d bytes: expected at most 63", block.Len())
	}
	header := append([]byte{headersFrame, byte(block.Len())}, block.Bytes()...)
	return func(ctx context.Context, buffer []byte) error {
		stream, err := connection.OpenStreamSync(ctx)
		if err != nil {
			return err
		}
		if _, err := stream.Write(header); err != nil {
			return err
		}
		_ = stream.Close() // fails if the server has answered already, and asks for no more
		// The first read has the frame's type and length, the prefix of the block, and the status.
		if n, err := io.ReadAtLeast(stream, buffer, 5); err != nil && !(errors.Is(err, io.EOF) && n >= 5) {
			return err
		}
		if buffer[0] != headersFrame || buffer[4] != status200 {
			return fmt.Errorf("a response that begins with % x: expected HEADERS with status 200", buffer[:5])
		}
		return read(stream, buffer)
	}, nil
}
