package rpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"leaklab/loader/rpc"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection"
	v1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

const (
	unary  = grpc_testing.TestService_UnaryCall_FullMethodName
	stream = grpc_testing.TestService_StreamingInputCall_FullMethodName
)

// dialed is a function that connects to a server with the given services.
func dialed(t *testing.T, register func(*grpc.Server)) func(context.Context) (net.Conn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}
}

// testService is grpc.testing.TestService, none of whose methods is implemented.
type testService struct {
	grpc_testing.UnimplementedTestServiceServer
}

func withReflection(register func(reflection.GRPCServer)) func(*grpc.Server) {
	return func(server *grpc.Server) {
		grpc_testing.RegisterTestServiceServer(server, testService{})
		register(server)
	}
}

// alphaOnly registers the older version of reflection alone.
func alphaOnly(server reflection.GRPCServer) {
	reflection.Register(only{server})
}

type only struct{ reflection.GRPCServer }

func (o only) RegisterService(service *grpc.ServiceDesc, implementation any) {
	if service.ServiceName == "grpc.reflection.v1alpha.ServerReflection" {
		o.GRPCServer.RegisterService(service, implementation)
	}
}

func TestMessagesFromJSONByReflection(t *testing.T) {
	for name, register := range map[string]func(reflection.GRPCServer){
		"v1": reflection.RegisterV1, "v1alpha": alphaOnly,
	} {
		method, err := rpc.Reflect(t.Context(), dialed(t, withReflection(register)), unary)
		require.NoError(t, err, name)
		encoded, err := method.Encode([]byte(`{"response_size": 7, "payload": {"body": "aGVsbG8="}}`))
		require.NoError(t, err, name)
		require.Len(t, encoded, 1)
		var got grpc_testing.SimpleRequest
		require.NoError(t, proto.Unmarshal(encoded[0], &got))
		assert.EqualValues(t, 7, got.ResponseSize)
		assert.Equal(t, "hello", string(got.Payload.Body))
	}
}

func TestASchemaThatIsNotTold(t *testing.T) {
	_, err := rpc.Reflect(t.Context(), dialed(t, func(server *grpc.Server) { grpc_testing.RegisterTestServiceServer(server, testService{}) }), unary)
	assert.ErrorIs(t, err, rpc.ErrNoReflection)

	dial := dialed(t, withReflection(reflection.RegisterV1))
	_, err = rpc.Reflect(t.Context(), dial, "/grpc.testing.Nothing/UnaryCall")
	assert.ErrorIs(t, err, rpc.ErrSchema)
	assert.ErrorContains(t, err, "grpc.testing.Nothing")
	_, err = rpc.Reflect(t.Context(), dial, "/grpc.testing.TestService/Nothing")
	assert.ErrorIs(t, err, rpc.ErrSchema)
	assert.ErrorContains(t, err, "service grpc.testing.TestService has no method Nothing")

	refused := errors.New("refused")
	_, err = rpc.Reflect(t.Context(), func(context.Context) (net.Conn, error) { return nil, refused }, unary)
	assert.ErrorContains(t, err, "refused")
	assert.NotErrorIs(t, err, rpc.ErrSchema, "it may be there later")
}

// endless is a reflection service whose files each import one more.
type endless struct {
	v1.UnimplementedServerReflectionServer
	padding int
}

func (e endless) ServerReflectionInfo(questions v1.ServerReflection_ServerReflectionInfoServer) error {
	for n := 'a'; ; n++ {
		question, err := questions.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := "first.proto"
		if wanted := question.GetFileByFilename(); wanted != "" {
			name = wanted
		}
		file, err := proto.Marshal(&descriptorpb.FileDescriptorProto{
			Name: proto.String(name), Dependency: []string{name + string('a'+n%26)}, Package: proto.String(string(make([]byte, e.padding))),
		})
		if err != nil {
			return err
		}
		answer := &v1.ServerReflectionResponse{MessageResponse: &v1.ServerReflectionResponse_FileDescriptorResponse{
			FileDescriptorResponse: &v1.FileDescriptorResponse{FileDescriptorProto: [][]byte{file}},
		}}
		if err := questions.Send(answer); err != nil {
			return err
		}
	}
}

func TestASchemaWithoutEnd(t *testing.T) {
	for name, padding := range map[string]int{"many files": 0, "large files": 1 << 20} {
		dial := dialed(t, func(server *grpc.Server) { v1.RegisterServerReflectionServer(server, endless{padding: padding}) })
		_, err := rpc.Reflect(t.Context(), dial, unary)
		assert.ErrorIs(t, err, rpc.ErrSchema, name)
		assert.ErrorContains(t, err, "more than", name)
	}
}

// set is the descriptor set of the test service, with all that it imports unless alone is set.
func set(t *testing.T, alone bool) []byte {
	var files descriptorpb.FileDescriptorSet
	service := grpc_testing.File_grpc_testing_test_proto
	files.File = append(files.File, protodesc.ToFileDescriptorProto(service))
	for n := 0; !alone && n < service.Imports().Len(); n++ {
		files.File = append(files.File, protodesc.ToFileDescriptorProto(service.Imports().Get(n)))
	}
	encoded, err := proto.Marshal(&files)
	require.NoError(t, err)
	return encoded
}

func TestMessagesFromADescriptorSet(t *testing.T) {
	method, err := rpc.FromSet(set(t, false), stream)
	require.NoError(t, err)
	for _, text := range []string{`[{}, {"payload": {"body": "eA=="}}]`, `{} {"payload": {"body": "eA=="}}`, "{}\n{\"payload\":{\"body\":\"eA==\"}}\n"} {
		encoded, err := method.Encode([]byte(text))
		require.NoError(t, err, text)
		require.Len(t, encoded, 2, text)
		assert.Empty(t, encoded[0])
	}
	for text, want := range map[string]string{
		`[]`:                "at least one message",
		`[{}`:               "unexpected end",
		`{"nothing": 1}`:    "nothing",
		`{} 7`:              "message 2 does not fit grpc.testing.StreamingInputCallRequest",
		`{"payload": "no"}`: "message 1 does not fit",
	} {
		_, err := method.Encode([]byte(text))
		assert.ErrorContains(t, err, want, text)
	}
	method, err = rpc.FromSet(set(t, false), unary)
	require.NoError(t, err)
	_, err = method.Encode([]byte(`{} {}`))
	assert.EqualError(t, err, "expected one message, since UnaryCall takes no stream of them, and not 2")
}

func TestADescriptorSetThatIsNone(t *testing.T) {
	for name, bytes := range map[string][]byte{"no set": {0xff}, "without its imports": set(t, true), "empty": nil} {
		_, err := rpc.FromSet(bytes, unary)
		assert.Error(t, err, name)
	}
	_, err := rpc.FromSet(set(t, false), "/grpc.testing.Empty/Call")
	assert.Error(t, err)
}

func TestABodyThatIsJSON(t *testing.T) {
	for body, want := range map[string]bool{"{}": true, " \n[{}]": true, "": false, "\x0a\x01x": false, "leaklab": false} {
		assert.Equal(t, want, rpc.IsJSON([]byte(body)), "%q", body)
	}
}

// A filler fits a type that has no such field, and arrives whole.
func TestAFillerFitsEachType(t *testing.T) {
	for _, size := range []int{0, 100, 1 << 16} {
		filler := rpc.Filler(size)
		assert.InDelta(t, size, len(filler), 8)
		var empty grpc_testing.Empty
		require.NoError(t, proto.Unmarshal(filler, &empty))
		assert.Equal(t, filler, []byte(empty.ProtoReflect().GetUnknown()))
	}
}

func FuzzEncode(f *testing.F) {
	for _, seed := range []string{`{}`, `[{}]`, `{"payload": {"body": "eA=="}}`, `[`, `{} {}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		method, err := rpc.FromSet(set(t, false), unary)
		require.NoError(t, err)
		if encoded, err := method.Encode(text); err == nil {
			require.Len(t, encoded, 1)
			require.NoError(t, proto.Unmarshal(encoded[0], &grpc_testing.SimpleRequest{}))
		}
	})
}
