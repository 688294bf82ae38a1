// Package rpc makes the messages of gRPC calls from JSON, as the schema of the method says. Of load it uses the form of messages alone.
package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Method is a method of a gRPC service, with the types of its messages.
type Method struct {
	descriptor protoreflect.MethodDescriptor
	types      *dynamicpb.Types
}

// FromSet finds a method in an encoded google.protobuf.FileDescriptorSet, as protoc --descriptor_set_out writes it. path is
// "/package.Service/Method". It fails if the bytes are no such set, if a file that another imports is missing, or if the
// method is not in it.
func FromSet(set []byte, path string) (Method, error) {
	var files descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(set, &files); err != nil {
		return Method{}, errors.New("it is no descriptor set")
	}
	return methodIn(&files, path)
}

func methodIn(set *descriptorpb.FileDescriptorSet, path string) (Method, error) {
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return Method{}, fmt.Errorf("its descriptors do not fit together: %w", err)
	}
	service, name := split(path)
	found, err := files.FindDescriptorByName(protoreflect.FullName(service))
	if errors.Is(err, protoregistry.NotFound) {
		return Method{}, fmt.Errorf("there is no service %s", service)
	}
	if err != nil {
		return Method{}, err
	}
	described, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return Method{}, fmt.Errorf("%s is no service", service)
	}
	method := described.Methods().ByName(protoreflect.Name(name))
	if method == nil {
		return Method{}, fmt.Errorf("service %s has no method %s", service, name)
	}
	return Method{descriptor: method, types: dynamicpb.NewTypes(files)}, nil
}

// split returns the service and the method of a path.
func split(path string) (service, method string) {
	service, method, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return service, method
}

// IsJSON is true for a body that is JSON. An encoded message never begins so: its fields 11 and 15 would be groups, which
// proto3 does not have.
func IsJSON(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) > 0 && (body[0] == '{' || body[0] == '[')
}

// Encode returns the messages that a JSON text has, in their encoded form: an array of them, or one after the other. It fails
// if the text is not JSON, if it does not fit the type of the method's requests, or if it has another number of messages than
// the method takes.
func (m Method) Encode(text []byte) ([][]byte, error) {
	texts, err := separate(text)
	if err != nil {
		return nil, err
	}
	switch {
	case len(texts) == 0:
		return nil, errors.New("expected at least one message")
	case len(texts) > 1 && !m.descriptor.IsStreamingClient():
		return nil, fmt.Errorf("expected one message, since %s takes no stream of them, and not %d", m.descriptor.Name(), len(texts))
	}
	var encoded [][]byte
	for n, text := range texts {
		message := dynamicpb.NewMessage(m.descriptor.Input())
		if err := (protojson.UnmarshalOptions{Resolver: m.types}).Unmarshal(text, message); err != nil {
			return nil, fmt.Errorf("message %d does not fit %s: %w", n+1, m.descriptor.Input().FullName(), err)
		}
		bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", n+1, err)
		}
		encoded = append(encoded, bytes)
	}
	return encoded, nil
}

// separate returns the values of a JSON array, or of a text with one value after the other.
func separate(text []byte) ([]json.RawMessage, error) {
	var all []json.RawMessage
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		if err := json.Unmarshal(trimmed, &all); err != nil {
			return nil, err
		}
		return all, nil
	}
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		var one json.RawMessage
		switch err := decoder.Decode(&one); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, one)
	}
}

// fillerField is the number of a field that no type has: the largest there is.
const fillerField = protowire.MaxValidNumber

// Filler is an encoded message of size bytes or a few more that fits each type: it has one field, which is unknown.
func Filler(size int) []byte {
	const head = 5 + 1 // tag and the least length, in bytes
	b := protowire.AppendTag(nil, fillerField, protowire.BytesType)
	return protowire.AppendBytes(b, bytes.Repeat([]byte("l"), max(0, size-head)))
}
