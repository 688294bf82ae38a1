package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ErrEndless is the error of Probe when a response begins, and does not end in time. That of a call of gRPC is one as well.
var ErrEndless error = errEndless

// Probe sends the first request of plan once, or one for plan.ReadyPath, and returns the status code of the response. Of a
// stream it only waits until that is open; the code of a WebSocket is 0. It fails without a response within plan.Timeout,
// with a status of an error for plan.ReadyPath, and when ctx ends first. The error has the cause if a user can do something about it.
func Probe(ctx context.Context, plan Plan) (int, error) {
	e := *plan.Behaviour.Next()
	e.Slow = false
	if plan.Protocol.Calls() && e.Cut != CutNothing { // of a stream that may have no end
		e.Cut = CutAnswer
	} else {
		e.Cut = CutNothing
	}
	if plan.ReadyPath != "" {
		plan.Protocol = plan.Protocol.underlying()
		e = *newExchange(Exchange{Method: http.MethodGet, Host: e.Host, Path: plan.ReadyPath, Header: e.Header}, false)
	}
	c := newClient(&plan)
	defer c.close()
	stop := context.AfterFunc(ctx, c.abort)
	defer stop()
	open := c.do
	if stream, ok := c.(interface {
		greet(context.Context, time.Time, *Exchange) (int, error)
	}); ok {
		open = stream.greet
	}
	code, err := open(ctx, time.Now(), &e)
	asked := fmt.Sprintf("%s://%s%s", plan.Protocol.Scheme(), plan.Address, e.Path)
	if err == nil && plan.ReadyPath != "" && code >= http.StatusBadRequest {
		return code, fmt.Errorf("%s answers %d %s", asked, code, http.StatusText(code))
	}
	if err == nil {
		return code, nil
	}
	if errors.Is(err, ErrEndless) {
		return 0, fmt.Errorf("%s: %w", asked, err)
	}
	reason, cause := classify(err), causeOf(err)
	if reason == Reset && ctx.Err() != nil { // aborted above
		reason, cause = Timeout, ""
	}
	if cause != "" {
		cause = ": " + cause
	}
	return 0, fmt.Errorf("no answer from %s (%s%s)", asked, reason, cause)
}
