package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// isCall is true for a call of gRPC.
func isCall(r *http.Request) bool {
	return r.Method == http.MethodPost && r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// callKey is the key of the *http.Request in the context of its call.
type callKey struct{}

// serveCalls answers each message of a call with the same, whatever the method is called, so that it is of every kind. A call is
// a request to the demonstration.
func serveCalls(leak leak) http.HandlerFunc {
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, call grpc.ServerStream) error {
		r := call.Context().Value(callKey{}).(*http.Request)
		answered := new(stream)
		leak(unheard{}, r.WithContext(context.WithValue(r.Context(), streamKey{}, answered)))
		err := echo(call)
		if err != nil {
			answered.left()
		}
		return err
	}))
	return func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callKey{}, r)))
	}
}

// echo sends back each message, until the client ends its side. A field that a message does not have is kept as unknown.
func echo(call grpc.ServerStream) error {
	for {
		var message emptypb.Empty
		switch err := call.RecvMsg(&message); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := call.SendMsg(&message); err != nil {
			return err
		}
	}
}
