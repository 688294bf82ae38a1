package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"leaklab/loader/load"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// What a server may tell of its schema.
const (
	mostFiles     = 4096
	mostBytes     = 16 << 20 // of all files
	mostOneAnswer = 4 << 20
)

// ErrNoReflection is the error of a server that does not tell its schema.
var ErrNoReflection = errors.New("the server has no gRPC reflection")

// ErrSchema is the error of a server that does not tell the schema of the method.
var ErrSchema = errors.New("gRPC reflection")

// Reflect asks a server for the schema of a method by reflection (grpc.reflection.v1, or v1alpha where that is missing).
// path is "/package.Service/Method"; dial connects to the server, TLS included. It fails with ErrNoReflection or ErrSchema
// if asking again is of no use, and otherwise with the error of the connection.
func Reflect(ctx context.Context, dial func(context.Context) (net.Conn, error), path string) (Method, error) {
	transport := &http.Transport{
		Protocols: new(http.Protocols), MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }, // with TLS, if any
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	set, err := collect(ctx, transport, "v1", path)
	if errors.Is(err, ErrNoReflection) {
		set, err = collect(ctx, transport, "v1alpha", path)
	}
	if err != nil {
		return Method{}, err
	}
	method, err := methodIn(set, path)
	if err != nil {
		return Method{}, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	return method, nil
}

// The fields of the messages of grpc/reflection/v1/reflection.proto, which v1alpha has as well.
const (
	fieldFileByFilename       = 3
	fieldFileContainingSymbol = 4
	fieldFileDescriptors      = 4 // of an answer, with the files in field 1
	fieldErrorResponse        = 7 // of an answer, with the text in field 2
	fieldFile                 = 1
	fieldErrorMessage         = 2
)

// ask asks a version of the reflection service one question, in a call with one message, and returns the encoded files of the
// answer.
func ask(ctx context.Context, transport http.RoundTripper, version string, field protowire.Number, what string) ([][]byte, error) {
	question := protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), what)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://server/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo",
		bytes.NewReader(load.Messages(question)))
	if err != nil {
		return nil, err
	}
	request.ContentLength = -1
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/grpc") {
		return nil, ErrNoReflection
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostOneAnswer+1))
	if err != nil {
		return nil, err
	}
	switch status := told(response.Trailer, told(response.Header, "")); {
	case len(answer) > mostOneAnswer:
		return nil, fmt.Errorf("%w: an answer is larger than %d MiB", ErrSchema, mostOneAnswer>>20)
	case status == "12": // UNIMPLEMENTED
		return nil, ErrNoReflection
	case status != "0":
		return nil, fmt.Errorf("%w: the call ends with status %.20q", ErrSchema, status)
	case len(answer) < 5 || answer[0] != 0 || int(binary.BigEndian.Uint32(answer[1:])) != len(answer)-5:
		return nil, fmt.Errorf("%w: the answer is not one message", ErrSchema)
	}
	return filesIn(answer[5:])
}

// told is the status of a call in a header, or else another.
func told(header http.Header, other string) string {
	if status := header.Get("Grpc-Status"); status != "" {
		return status
	}
	return other
}

// filesIn are the encoded files in an answer.
func filesIn(answer []byte) ([][]byte, error) {
	files := fieldsOf(fieldOf(answer, fieldFileDescriptors), fieldFile)
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: the server answers %.200q", ErrSchema, fieldOf(fieldOf(answer, fieldErrorResponse), fieldErrorMessage))
	}
	return files, nil
}

// fieldOf is the last field of that number in a message, with a length; nil if there is none.
func fieldOf(message []byte, number protowire.Number) []byte {
	all := fieldsOf(message, number)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// fieldsOf are the fields of that number in a message that have a length, up to what is no field.
func fieldsOf(message []byte, number protowire.Number) (all [][]byte) {
	for len(message) > 0 {
		found, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return all
		}
		message = message[n:]
		if kind == protowire.BytesType && found == number {
			value, n := protowire.ConsumeBytes(message)
			if n < 0 {
				return all
			}
			all, message = append(all, value), message[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(found, kind, message); n < 0 {
			return all
		}
		message = message[n:]
	}
	return all
}

// collect returns the file that defines the service of a method, and all that it imports.
func collect(ctx context.Context, transport http.RoundTripper, version, path string) (*descriptorpb.FileDescriptorSet, error) {
	service, _ := split(path)
	answered, err := ask(ctx, transport, version, fieldFileContainingSymbol, service)
	if errors.Is(err, ErrSchema) {
		err = fmt.Errorf("service %s: %w", service, err)
	}
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	known, size := make(map[string]bool), 0
	var missing []string
	for {
		for _, encoded := range answered {
			file := &descriptorpb.FileDescriptorProto{}
			if err := proto.Unmarshal(encoded, file); err != nil {
				return nil, fmt.Errorf("%w: the server answers with what is no descriptor", ErrSchema)
			}
			if known[file.GetName()] {
				continue
			}
			known[file.GetName()] = true
			if size += len(encoded); size > mostBytes || len(known) > mostFiles {
				return nil, fmt.Errorf("%w: the schema has more than %d files or %d MiB", ErrSchema, mostFiles, mostBytes>>20)
			}
			set.File = append(set.File, file)
			missing = append(missing, file.GetDependency()...)
		}
		missing = slices.DeleteFunc(missing, func(name string) bool { return known[name] })
		if len(missing) == 0 {
			return set, nil
		}
		wanted := missing[0]
		if answered, err = ask(ctx, transport, version, fieldFileByFilename, wanted); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(answered, func(encoded []byte) bool { return nameOf(encoded) == wanted }) {
			return nil, fmt.Errorf("%w: the server does not tell the file %.200q", ErrSchema, wanted)
		}
	}
}

// nameOf is the name of an encoded file; empty if it is none.
func nameOf(encoded []byte) string {
	file := &descriptorpb.FileDescriptorProto{}
	if proto.Unmarshal(encoded, file) != nil {
		return ""
	}
	return file.GetName()
}
