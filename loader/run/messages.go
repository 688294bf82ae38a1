package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"leaklab/loader/load"
	"leaklab/loader/rpc"
	"leaklab/loader/subject"
)

// mostMessages is the most that the messages of a call may have, in bytes.
const mostMessages = 16 << 20

// readMessages makes the body of a call: of an encoded message as it is, of JSON by PROTOSET. Without that, JSON waits for
// the schema of the server. An upload without a body has a message of BODY_BYTES.
func (r request) readMessages(made *asked, upload bool, keep func(io.Closer)) (wrong []error) {
	setting := fmt.Sprintf("BODY_FILE=%q", r.bodyFile)
	if r.bodyFile == "" {
		setting = "BODY"
	}
	body, err := whole(made.Body)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", setting, err)}
	}
	made.Body = nil
	switch {
	case len(body) == 0 && upload:
		made.Body = bytes.NewReader(load.Messages(rpc.Filler(r.bodyBytes)))
	case !rpc.IsJSON(body):
		made.Body = bytes.NewReader(load.Messages(body))
	case r.urlFile != "":
		wrong = append(wrong, fmt.Errorf("%s: expected an encoded message, not JSON, with URL_FILE: its methods have messages of different types", setting))
	case r.protoset == "":
		made.json = body
	default:
		if err := r.encode(made, body, keep); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong
}

// whole is all of a body, which may be nil.
func whole(body load.Body) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	if body.Size() > mostMessages {
		return nil, fmt.Errorf("expected at most %d MiB with gRPC", mostMessages>>20)
	}
	return io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
}

// encode makes the body of a call of JSON, by PROTOSET.
func (r request) encode(made *asked, body []byte, keep func(io.Closer)) error {
	file, err := readBody(r.protoset, mostInMemory, keep)
	var set []byte
	if err == nil {
		set, err = whole(file)
	}
	if err != nil {
		return fmt.Errorf("PROTOSET=%q: %w", r.protoset, err)
	}
	method, err := rpc.FromSet(set, r.path)
	if err != nil {
		return fmt.Errorf("PROTOSET=%q: expected a descriptor set with %s, as protoc --include_imports --descriptor_set_out writes it: %w", r.protoset, r.path, err)
	}
	return made.complete(method, body)
}

// complete makes the body of a call of JSON.
func (a *asked) complete(method rpc.Method, body []byte) error {
	messages, err := method.Encode(body)
	if err != nil {
		return fmt.Errorf("BODY: expected JSON of the messages of %s: %w", a.Paths[0], err)
	}
	a.Body, a.json = bytes.NewReader(load.Messages(messages...)), nil
	return nil
}

// describeCalls asks a server for the schema of its method until it tells it, if a request waits for that, and completes the
// request and the load.
func (s *session) describeCalls(ctx context.Context, server *side, request *asked) error {
	if request.json == nil {
		return nil
	}
	dial := func(ctx context.Context) (net.Conn, error) { return server.load.Dial(ctx) }
	var method rpc.Method
	var never error // of a server that is ready
	err := subject.WaitReady(ctx, server.target.StartTimeout, server.target.Who, func(ctx context.Context) (err error) {
		if err := server.checkNear(ctx); err != nil && !s.plan.allowRemote {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, server.load.Timeout)
		defer cancel()
		if method, err = rpc.Reflect(limited, dial, request.Paths[0]); errors.Is(err, rpc.ErrNoReflection) || errors.Is(err, rpc.ErrSchema) {
			never, err = err, nil
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case errors.Is(never, rpc.ErrNoReflection):
		return unmeasured(fmt.Errorf("BODY: expected an encoded message, or PROTOSET for JSON: %w", never))
	case never != nil:
		return unmeasured(fmt.Errorf("REQUEST_PATH=%q: %w", request.Paths[0], never))
	}
	if err := request.complete(method, request.json); err != nil {
		return unmeasured(err)
	}
	server.load.Behaviour = load.NewBehaviour(load.ShapeNamed(s.shape), request.Request, server.load.Address)
	return nil
}
