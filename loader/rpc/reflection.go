package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
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
	conn, err := grpc.NewClient("passthrough:///server",
		grpc.WithTransportCredentials(insecure.NewCredentials()), // dial has done TLS
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(mostOneAnswer)), grpc.WithMaxHeaderListSize(64<<10))
	if err != nil {
		return Method{}, err
	}
	defer conn.Close()
	set, err := collect(ctx, conn, "v1", path)
	if status.Code(err) == codes.Unimplemented {
		set, err = collect(ctx, conn, "v1alpha", path)
	}
	switch {
	case err == nil:
	case status.Code(err) == codes.Unimplemented:
		return Method{}, ErrNoReflection
	default:
		return Method{}, err
	}
	method, err := methodIn(set, path)
	if err != nil {
		return Method{}, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	return method, nil
}

// asker asks for the files that define a symbol, or for the file of a name. Exactly one of the two is set.
type asker func(symbol, file string) ([][]byte, error)

// open opens a stream of questions to a version of the reflection service. Their messages are the same on the wire.
func open(ctx context.Context, conn *grpc.ClientConn, version string) (asker, error) {
	stream, err := conn.NewStream(ctx, &reflection.ServerReflection_ServiceDesc.Streams[0], "/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo")
	if err != nil {
		return nil, err
	}
	return func(symbol, file string) ([][]byte, error) {
		question := &reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol}}
		if file != "" {
			question.MessageRequest = &reflection.ServerReflectionRequest_FileByFilename{FileByFilename: file}
		}
		_ = stream.SendMsg(question) // RecvMsg tells what is wrong
		answer := &reflection.ServerReflectionResponse{}
		if err := stream.RecvMsg(answer); err != nil {
			return nil, err
		}
		files := answer.GetFileDescriptorResponse().GetFileDescriptorProto()
		if len(files) == 0 {
			return nil, fmt.Errorf("%w: the server answers %.200q", ErrSchema, answer.GetErrorResponse().GetErrorMessage())
		}
		return files, nil
	}, nil
}

// collect returns the file that defines the service of a method, and all that it imports.
func collect(ctx context.Context, conn *grpc.ClientConn, version, path string) (*descriptorpb.FileDescriptorSet, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ask, err := open(ctx, conn, version)
	if err != nil {
		return nil, err
	}
	service, _ := split(path)
	answered, err := ask(service, "")
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", service, err)
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
		if answered, err = ask("", wanted); err != nil {
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
