package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xhttp2 "golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// callee is a gRPC server that records its calls. The status that it answers is the one that a unary call asks for.
type callee struct {
	grpc_testing.UnimplementedTestServiceServer
	address string
	opened  atomic.Int64

	mu       sync.Mutex
	methods  map[string]int
	messages int // of client streams
	bytes    int // of unary calls
	metadata []metadata.MD
	ended    []codes.Code // of each call that has ended
}

// streamedMessages are how many messages a server stream has, of answerSize each.
const streamedMessages = 5

func newCallee(t *testing.T, protocol Protocol, options ...grpc.ServerOption) *callee {
	c := &callee{methods: make(map[string]int)}
	options = append(options, grpc.StatsHandler(c))
	if protocol.Encrypted() {
		options = append(options, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: newWitness(t, H2).TLS.Certificates})))
	}
	server := grpc.NewServer(options...)
	grpc_testing.RegisterTestServiceServer(server, c)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c.address = listener.Addr().String()
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return c
}

func (*callee) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*callee) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *callee) HandleConn(_ context.Context, event stats.ConnStats) {
	if _, began := event.(*stats.ConnBegin); began {
		c.opened.Add(1)
	}
}

func (c *callee) HandleRPC(_ context.Context, event stats.RPCStats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch event := event.(type) {
	case *stats.InHeader:
		c.methods[event.FullMethod]++
		c.metadata = append(c.metadata, event.Header)
	case *stats.End:
		c.ended = append(c.ended, grpcstatus.Code(event.Error))
	}
}

func (c *callee) UnaryCall(_ context.Context, in *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	c.mu.Lock()
	c.bytes += proto.Size(in)
	c.mu.Unlock()
	if code := in.GetResponseStatus().GetCode(); code != 0 {
		return nil, grpcstatus.Error(codes.Code(code), "as asked")
	}
	return &grpc_testing.SimpleResponse{Username: strings.Repeat("x", answerSize)}, nil
}

func (c *callee) StreamingOutputCall(_ *grpc_testing.StreamingOutputCallRequest, out grpc_testing.TestService_StreamingOutputCallServer) error {
	for range streamedMessages {
		if err := out.Send(&grpc_testing.StreamingOutputCallResponse{Payload: &grpc_testing.Payload{Body: make([]byte, answerSize)}}); err != nil {
			return err
		}
	}
	return nil
}

func (c *callee) StreamingInputCall(in grpc_testing.TestService_StreamingInputCallServer) error {
	for {
		switch _, err := in.Recv(); err {
		case nil:
			c.mu.Lock()
			c.messages++
			c.mu.Unlock()
		case io.EOF:
			return in.SendAndClose(&grpc_testing.StreamingInputCallResponse{})
		default:
			return err
		}
	}
}

func (c *callee) FullDuplexCall(both grpc_testing.TestService_FullDuplexCallServer) error {
	for {
		switch _, err := both.Recv(); err {
		case nil:
			if err := both.Send(&grpc_testing.StreamingOutputCallResponse{}); err != nil {
				return err
			}
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// HalfDuplexCall answers at once, and never ends: a subscription.
func (c *callee) HalfDuplexCall(both grpc_testing.TestService_HalfDuplexCallServer) error {
	if err := both.Send(&grpc_testing.StreamingOutputCallResponse{}); err != nil {
		return err
	}
	<-both.Context().Done()
	return both.Context().Err()
}

// settled keeps what was recorded as it is until the end of the test.
func (c *callee) settled(t *testing.T) {
	c.mu.Lock()
	t.Cleanup(c.mu.Unlock)
}

// call loads the callee with a shape, and returns the loader's counts.
func (c *callee) call(t *testing.T, shape string, protocol Protocol, request Request, requests uint64) Result {
	t.Helper()
	request.Calls = true
	plan := planFor(shape, c.address, request)
	plan.Protocol, plan.Insecure, plan.Requests, plan.Streams = protocol, true, requests, 3
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Empty(t, result.Errors)
	return result
}

func everyCallProtocol(t *testing.T, test func(t *testing.T, protocol Protocol)) {
	for _, protocol := range []Protocol{GRPC, GRPCS} {
		t.Run(string(protocol), func(t *testing.T) { test(t, protocol) })
	}
}

const (
	unaryCall   = grpc_testing.TestService_UnaryCall_FullMethodName
	outputCall  = grpc_testing.TestService_StreamingOutputCall_FullMethodName
	inputCall   = grpc_testing.TestService_StreamingInputCall_FullMethodName
	duplexCall  = grpc_testing.TestService_FullDuplexCall_FullMethodName
	endlessCall = grpc_testing.TestService_HalfDuplexCall_FullMethodName
)

// Each kind of method is one call from the first message to the status.
func TestCallsOfEachKind(t *testing.T) {
	everyCallProtocol(t, func(t *testing.T, protocol Protocol) {
		for _, method := range []string{unaryCall, outputCall, inputCall, duplexCall} {
			c := newCallee(t, protocol)
			body := Messages([]byte{}, []byte{})
			if method == unaryCall || method == outputCall { // which take one message
				body = Messages([]byte{})
			}
			result := c.call(t, "keepalive", protocol, Request{Paths: []string{method}, Body: bytes.NewReader(body), Header: []Field{{"X-A", "1"}}}, 60)
			assert.Equal(t, map[int]uint64{200: 60}, result.Codes, method)
			c.settled(t)
			assert.Equal(t, map[string]int{method: 60}, c.methods)
			if method == inputCall {
				assert.Equal(t, 120, c.messages)
			}
			assert.Equal(t, []string{"1"}, c.metadata[0]["x-a"])
			assert.Equal(t, []string{"application/grpc"}, c.metadata[0]["content-type"])
			assert.NotContains(t, c.metadata[0], "content-length")
			assert.LessOrEqual(t, c.opened.Load(), int64(8))
		}
	})
}

// A call without a body has an empty message, which fits each type.
func TestACallWithoutABody(t *testing.T) {
	c := newCallee(t, GRPC)
	assert.Equal(t, map[int]uint64{200: 10}, c.call(t, "keepalive", GRPC, Request{Paths: []string{unaryCall}}, 10).Codes)
}

// The status of a call counts as the HTTP status that gRPC's own gateways map it to, in a trailer and in a response without
// messages alike.
func TestTheStatusOfACall(t *testing.T) {
	for code, want := range map[codes.Code]int{
		codes.OK: 200, codes.Canceled: 499, codes.Unknown: 500, codes.InvalidArgument: 400, codes.DeadlineExceeded: 504, codes.NotFound: 404,
		codes.AlreadyExists: 409, codes.PermissionDenied: 403, codes.ResourceExhausted: 429, codes.FailedPrecondition: 400, codes.Aborted: 409,
		codes.OutOfRange: 400, codes.Unimplemented: 501, codes.Internal: 500, codes.Unavailable: 503, codes.DataLoss: 500, codes.Unauthenticated: 401,
		99: 500,
	} {
		message, err := proto.Marshal(&grpc_testing.SimpleRequest{ResponseStatus: &grpc_testing.EchoStatus{Code: int32(code)}})
		require.NoError(t, err)
		for _, shape := range []string{"keepalive", "churn"} { // by a loop, and by net/http
			plan := planFor(shape, newCallee(t, GRPC).address, Request{Paths: []string{unaryCall}, Body: bytes.NewReader(Messages(message)), Calls: true})
			plan.Protocol, plan.Requests = GRPC, 8
			result, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
			assert.Equal(t, map[int]uint64{want: 8}, result.Codes, "%s, %s", code, shape)
		}
	}
	assert.Equal(t, callEnd{code: grpcUnknown, told: true}, callEndOf("what"))
}

// A server that does not speak gRPC answers a call with its HTTP status, or with no status of the call.
func TestAServerThatDoesNotSpeakGRPC(t *testing.T) {
	for code, want := range map[int]Totals{
		200: {Errors: map[Reason]uint64{BadResponse: 6}, BadResponse: "no grpc-status"},
		404: {Codes: map[int]uint64{404: 6}, Errors: map[Reason]uint64{Status4xx: 6}},
	} {
		for _, shape := range []string{"keepalive", "churn"} {
			w := newWitness(t, H2C, func(s *http.Server) {
				s.Handler = http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { out.WriteHeader(code) })
			})
			plan := planFor(shape, w.Listener.Addr().String(), Request{Paths: []string{"/a/b"}, Calls: true})
			plan.Protocol, plan.Requests = GRPC, 6
			result, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
			assert.Equal(t, want.Errors, result.Errors, shape)
			assert.Equal(t, want.BadResponse, result.BadResponse, shape)
			if want.Codes != nil {
				assert.Equal(t, want.Codes, result.Codes, shape)
			}
		}
	}
}

func TestCallsOfEachShape(t *testing.T) {
	everyCallProtocol(t, func(t *testing.T, protocol Protocol) {
		t.Run("churn", func(t *testing.T) {
			c := newCallee(t, protocol)
			assert.Equal(t, map[int]uint64{200: 20}, c.call(t, "churn", protocol, Request{Paths: []string{unaryCall}}, 20).Codes)
			assert.EqualValues(t, 20, c.opened.Load())
		})
		t.Run("slow", func(t *testing.T) {
			result := newCallee(t, protocol).call(t, "slow", protocol, Request{Paths: []string{outputCall}}, 8)
			assert.Equal(t, map[int]uint64{200: 8}, result.Codes)
			assert.GreaterOrEqual(t, result.Latency.Min(), int64(streamedMessages*answerSize/slowBytes*slowPause))
		})
		t.Run("upload", func(t *testing.T) {
			c := newCallee(t, protocol)
			message, err := proto.Marshal(&grpc_testing.SimpleRequest{Payload: &grpc_testing.Payload{Body: make([]byte, 100_000)}})
			require.NoError(t, err)
			c.call(t, "upload", protocol, Request{Paths: []string{unaryCall}, Body: bytes.NewReader(Messages(message))}, 20)
			c.settled(t)
			assert.Equal(t, 20*len(message), c.bytes)
		})
		t.Run("unique", func(t *testing.T) {
			c := newCallee(t, protocol)
			assert.Equal(t, map[int]uint64{200: 20}, c.call(t, "unique", protocol, Request{Paths: []string{unaryCall}}, 20).Codes)
			c.settled(t)
			names := map[string]bool{}
			for _, header := range c.metadata {
				for name := range header {
					if strings.HasPrefix(name, "x-leaklab-") {
						names[name] = true
					}
				}
			}
			assert.Len(t, names, 20, "the method stays, and the metadata does not")
		})
		t.Run("idle", func(t *testing.T) {
			c := newCallee(t, protocol)
			result := c.call(t, "idle", protocol, Request{Paths: []string{unaryCall}}, 20)
			assert.Equal(t, map[int]uint64{200: 20 + 80}, result.Codes)
		})
		t.Run("abort", func(t *testing.T) {
			c := newCallee(t, protocol)
			result := c.call(t, "abort", protocol, Request{Paths: []string{endlessCall}}, 20)
			assert.EqualValues(t, 20, result.Requests)
			assert.Eventually(t, func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return len(c.ended) == 20
			}, time.Minute, 10*time.Millisecond, "half in the request, half in a stream that never ends")
			c.settled(t)
			assert.NotContains(t, c.ended, codes.OK)
		})
	})
}

// A stream without end is ready when it has begun, if clients are to leave it. Else it is told what is wrong.
func TestACallWithoutEndIsReady(t *testing.T) {
	c := newCallee(t, GRPC)
	for _, shape := range []string{"abort", "keepalive"} {
		plan := planFor(shape, c.address, Request{Paths: []string{endlessCall}, Calls: true})
		plan.Protocol, plan.Timeout = GRPC, 300*time.Millisecond
		if shape == "abort" {
			plan.Timeout = time.Minute
		}
		code, err := Probe(t.Context(), plan)
		if shape == "abort" {
			require.NoError(t, err)
			assert.Equal(t, 200, code)
			continue
		}
		assert.ErrorIs(t, err, ErrEndless)
		assert.EqualError(t, err, "http://"+c.address+endlessCall+": the call has begun but does not end; SHAPE=abort is for streams without end")
	}
}

// Connections stay open from one iteration to the next.
func TestCallsOverKeptConnections(t *testing.T) {
	everyCallProtocol(t, func(t *testing.T, protocol Protocol) {
		c := newCallee(t, protocol)
		plan := planFor("keepalive", c.address, Request{Paths: []string{unaryCall}, Calls: true})
		plan.Protocol, plan.Insecure, plan.Requests, plan.Kept = protocol, true, 80, new(Kept)
		defer plan.Kept.Close()
		for range 3 {
			_, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
		}
		c.settled(t)
		assert.EqualValues(t, 8, c.opened.Load())
		assert.Equal(t, 240, c.methods[unaryCall])
	})
}

// A trailer is kept beside the header of a response: a server may send the same two with each call.
func TestHeaderAndTrailerOfCallsAreBothKept(t *testing.T) {
	p := newPlayed()
	p.session = newSession(GRPC)
	e := newExchange(Exchange{Method: "POST", Host: "example.com", Path: "/a/b"}, false)
	p.ask(1, e)
	p.settle(t)
	p.ask(6, e)
	answer := func(stream uint32, status string) {
		_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: stream, BlockFragment: p.block(":status", "200", "content-type", "application/grpc"), EndHeaders: true})
		_ = p.WriteData(stream, false, []byte("12345"))
		_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: stream, BlockFragment: p.block("grpc-status", status, "grpc-message", ""), EndHeaders: true, EndStream: true})
		require.NoError(t, p.say(0))
	}
	answer(1, "0") // enters the table
	answer(3, "0")
	header, trailer := p.response.memos[0].block, p.response.memos[1].block
	assert.NotEmpty(t, header)
	assert.NotEmpty(t, trailer)
	answer(5, "0")
	answer(7, "5") // enters the table
	answer(9, "0")
	answer(11, "5")
	answer(13, "5")
	assert.Equal(t, []int{200, 200, 200, 404, 200, 404, 404}, p.codes())
}
