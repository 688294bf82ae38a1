package run

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"leaklab/loader/load"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

const unaryCall = grpc_testing.TestService_UnaryCall_FullMethodName

// inFile writes a file and returns its name.
func inFile(t *testing.T, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, content, 0o600))
	return name
}

// protoset is the descriptor set of grpc.testing.TestService.
func protoset(t *testing.T) []byte {
	t.Helper()
	var set descriptorpb.FileDescriptorSet
	service := grpc_testing.File_grpc_testing_test_proto
	for n := range service.Imports().Len() {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(service.Imports().Get(n)))
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(service))
	encoded, err := proto.Marshal(&set)
	require.NoError(t, err)
	return encoded
}

func encoded(t *testing.T, message proto.Message) string {
	t.Helper()
	bytes, err := proto.Marshal(message)
	require.NoError(t, err)
	return string(load.Messages(bytes))
}

func TestTheMessagesOfACall(t *testing.T) {
	set := inFile(t, protoset(t))
	wanted := encoded(t, &grpc_testing.SimpleRequest{ResponseSize: 7})
	for name, test := range map[string]struct {
		settings map[string]string
		want     string
	}{
		"nothing":       {nil, "\x00\x00\x00\x00\x00"},
		"encoded":       {map[string]string{"BODY_FILE": inFile(t, []byte("\x10\x07"))}, wanted},
		"JSON":          {map[string]string{"BODY": `{"responseSize": 7}`, "PROTOSET": set}, wanted},
		"JSON in files": {map[string]string{"BODY_FILE": inFile(t, []byte(" {\"response_size\": 7}\n")), "PROTOSET": set}, wanted},
		"a stream": {map[string]string{
			"REQUEST_PATH": grpc_testing.TestService_FullDuplexCall_FullMethodName, "BODY": `[{}, {}]`, "PROTOSET": set,
		}, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	} {
		settings := map[string]string{"PROTOCOL": "grpc", "REQUEST_PATH": unaryCall}
		for key, value := range test.settings {
			settings[key] = value
		}
		request, err := planned(t, settings).request.read(false, keepsNone(t))
		require.NoError(t, err, name)
		assert.True(t, request.Calls)
		assert.Nil(t, request.json, name)
		assert.Equal(t, test.want, contentOf(t, request.Body), name)
	}
	request, err := planned(t, map[string]string{"PROTOCOL": "grpc", "BODY_BYTES": "1000"}).request.read(true, keepsNone(t))
	require.NoError(t, err)
	assert.InDelta(t, 1000, request.Body.Size(), 16, "an upload")
	request, err = planned(t, map[string]string{"PROTOCOL": "grpc", "BODY": "{}"}).request.read(false, keepsNone(t))
	require.NoError(t, err)
	assert.Equal(t, "{}", string(request.json), "it waits for the schema")
}

func TestMessagesThatACallCannotHave(t *testing.T) {
	set := inFile(t, protoset(t))
	large := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(large, nil, 0o600))
	require.NoError(t, os.Truncate(large, mostMessages+1))
	for want, settings := range map[string]map[string]string{
		`BODY: expected JSON of the messages of ` + unaryCall + `: message 1 does not fit grpc.testing.SimpleRequest`: {"BODY": `{"size": 7}`, "PROTOSET": set},
		`PROTOSET="/does/not/exist": expected a file that can be read`:                                                {"BODY": "{}", "PROTOSET": "/does/not/exist"},
		`: expected a descriptor set with /no.Service/No`:                                                             {"BODY": "{}", "PROTOSET": set, "REQUEST_PATH": "/no.Service/No"},
		`: expected at most 16 MiB with gRPC`:                                                                         {"BODY_FILE": large},
		`URL_FILE="`:                                                                                                  {"URL_FILE": inFile(t, []byte("POST /a/b x\n"))},
		`line 1: "POST": expected no method of HTTP, nor a body, with PROTOCOL=grpc`:                                  {"URL_FILE": inFile(t, []byte("POST /a/b x\n"))},
		`BODY: expected an encoded message, not JSON, with URL_FILE`:                                                  {"BODY": "{}", "URL_FILE": inFile(t, []byte("/a/b\n"))},
	} {
		with := map[string]string{"PROTOCOL": "grpc", "REQUEST_PATH": unaryCall}
		for key, value := range settings {
			with[key] = value
		}
		_, err := planned(t, with).request.read(false, func(file io.Closer) { _ = file.Close() })
		assert.ErrorContains(t, err, want)
	}
}

// A server that is slow to start is asked for its schema until it is there.
func TestTheSchemaOfTheServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	start := func(register func(reflection.GRPCServer)) (stop func()) {
		server := grpc.NewServer()
		grpc_testing.RegisterTestServiceServer(server, grpc_testing.UnimplementedTestServiceServer{})
		register(server)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		require.NoError(t, err)
		go func() { _ = server.Serve(listener) }()
		return server.Stop
	}
	describe := func(path string) (asked, error) {
		p := planned(t, map[string]string{"PROTOCOL": "grpc", "PORT": strconv.Itoa(port), "REQUEST_PATH": path, "BODY": `{"responseSize": 7}`})
		request, err := p.request.read(false, keepsNone(t))
		require.NoError(t, err)
		s := &session{plan: &p, shape: "keepalive"}
		return request, s.describeCalls(t.Context(), &p.server, &request)
	}
	var stop func()
	late := time.AfterFunc(200*time.Millisecond, func() { stop = start(reflection.RegisterV1) })
	request, err := describe(unaryCall)
	require.False(t, late.Stop())
	require.NoError(t, err)
	assert.Nil(t, request.json)
	assert.Equal(t, encoded(t, &grpc_testing.SimpleRequest{ResponseSize: 7}), contentOf(t, request.Body))
	_, err = describe("/no.Service/No")
	assert.ErrorContains(t, err, `REQUEST_PATH="/no.Service/No": service no.Service: gRPC reflection: `)
	_, err = describe(grpc_testing.TestService_EmptyCall_FullMethodName)
	assert.ErrorContains(t, err, "BODY: expected JSON of the messages of "+grpc_testing.TestService_EmptyCall_FullMethodName)
	stop()
	defer start(func(reflection.GRPCServer) {})()
	_, err = describe(unaryCall)
	assert.ErrorContains(t, err, "BODY: expected an encoded message, or PROTOSET for JSON: the server has no gRPC reflection")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := planned(t, map[string]string{"PROTOCOL": "grpc", "PORT": "1", "BODY": "{}"})
	assert.ErrorIs(t, (&session{plan: &p}).describeCalls(ctx, &p.server, &asked{Request: load.Request{Paths: []string{unaryCall}}, json: []byte("{}")}), context.Canceled)
}
