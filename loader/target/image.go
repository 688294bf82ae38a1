package target

import (
	"context"
	"fmt"

	"leaklab/loader/subject"
)

// attachToShared measures the process of the container plan.Host, which shares the PID namespace of this one.
func attachToShared(ctx context.Context, plan Plan) (*Target, error) {
	pid, err := subject.FindShared(ctx, plan.Host)
	var t *Target
	if err == nil {
		t, err = attach(ctx, pid, plan.Port)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: expected the server in this PID namespace: %w", plan.Setting, err)
	}
	return t, nil
}
