package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Limits on a sampling heap profile.
const (
	nodeProfileMost    = inspectorMost // bytes
	nodeProfileNodes   = 1 << 17
	nodeProfileDepth   = 256 // V8 keeps 128 frames of a stack
	nodeProfileSamples = 1 << 19
	nodeProfileTakes   = 2 * time.Second
)

// nodeFrame is a function on the stack, as V8 tells it: its name, the number and address of its script, and its first line,
// from 0. V8's own functions have no script, and what eval or Function has made has a script without an address.
type nodeFrame struct {
	Function string `json:"functionName"`
	Script   string `json:"scriptId"`
	URL      string `json:"url"`
	Line     int    `json:"lineNumber"`
}

// nodeCall is a node of a sampling heap profile: a function that was called by another.
type nodeCall struct {
	nodeFrame
	id     int64
	caller int // index of its caller; -1 if it has none
}

// nodeSample is a sampled object that is still alive, with the bytes that it stands for.
type nodeSample struct {
	Node  int64   `json:"nodeId"`
	Bytes float64 `json:"size"`
}

// nodeProfile is a sampling heap profile, HeapProfiler.SamplingHeapProfile of the Chrome DevTools Protocol.
type nodeProfile struct {
	calls   []nodeCall
	samples []nodeSample
}

// readNodeProfile reads a profile. It fails for one that is not complete or beyond the limits.
func readNodeProfile(data []byte) (nodeProfile, error) {
	return readNodeProfileUntil(time.Now().Add(nodeProfileTakes), data)
}

func readNodeProfileUntil(until time.Time, data []byte) (nodeProfile, error) {
	if len(data) > nodeProfileMost {
		return nodeProfile{}, fmt.Errorf("a heap profile of %d bytes: expected at most %d", len(data), nodeProfileMost)
	}
	r := &nodeProfileReader{json: json.NewDecoder(bytes.NewReader(data)), until: until}
	if err := r.profile(); err != nil {
		return nodeProfile{}, fmt.Errorf("a heap profile: %w", err)
	}
	return r.nodeProfile, nil
}

// nodeProfileReader reads token by token, so that what is not needed takes no memory, and no depth is beyond it.
type nodeProfileReader struct {
	nodeProfile
	json  *json.Decoder
	until time.Time
	read  int // values
}

func (r *nodeProfileReader) profile() error {
	if err := r.expect('{'); err != nil {
		return err
	}
	for r.json.More() {
		key, err := r.json.Token()
		if err != nil {
			return err
		}
		switch key {
		case "head":
			err = r.head()
		case "samples":
			err = r.all()
		default:
			err = r.value(new(json.RawMessage))
		}
		if err != nil {
			return err
		}
	}
	return r.expect('}')
}

func (r *nodeProfileReader) expect(want json.Delim) error {
	got, err := r.json.Token()
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("expected %s, got %.40q", want, fmt.Sprint(got))
	}
	return nil
}

var errNodeProfileSlow = fmt.Errorf("reading it took more than %s", nodeProfileTakes)

// value reads a value whole.
func (r *nodeProfileReader) value(into any) error {
	if r.read++; r.read%1024 == 0 && time.Now().After(r.until) {
		return errNodeProfileSlow
	}
	return r.json.Decode(into)
}

// head reads the tree of calls, without recursion.
func (r *nodeProfileReader) head() error {
	open := []int{-1} // indices of the calls that are being read, below -1
	within := true    // the children of the last of them are being read, not its fields
	for {
		last := open[len(open)-1]
		switch {
		case within && (last == -1 || r.json.More()):
			if len(r.calls) == nodeProfileNodes || len(open) == nodeProfileDepth {
				return fmt.Errorf("expected at most %d calls, %d deep", nodeProfileNodes, nodeProfileDepth)
			}
			open, within = append(open, len(r.calls)), false
			r.calls = append(r.calls, nodeCall{caller: last})
			if err := r.expect('{'); err != nil {
				return err
			}
		case within:
			if err := r.expect(']'); err != nil {
				return err
			}
			within = false
		default:
			var err error
			if within, err = r.fields(last); err != nil {
				return err
			}
			if within {
				continue
			}
			if err := r.expect('}'); err != nil {
				return err
			}
			if open, within = open[:len(open)-1], true; len(open) == 1 {
				return nil
			}
		}
	}
}

// fields reads fields of a call until one has its children, which are then to be read within it, or there are no more.
func (r *nodeProfileReader) fields(call int) (within bool, err error) {
	for r.json.More() {
		key, err := r.json.Token()
		if err != nil {
			return false, err
		}
		switch key {
		case "children":
			return true, r.expect('[')
		case "callFrame":
			err = r.value(&r.calls[call].nodeFrame)
		case "id":
			err = r.value(&r.calls[call].id)
		default:
			err = r.value(new(json.RawMessage))
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// all reads the samples.
func (r *nodeProfileReader) all() error {
	if err := r.expect('['); err != nil {
		return err
	}
	for r.json.More() {
		var s nodeSample
		if err := r.value(&s); err != nil {
			return err
		}
		if s.Bytes < 0 || s.Bytes > mostBytes {
			return fmt.Errorf("expected the size of a sample, got %g", s.Bytes)
		}
		if len(r.samples) == nodeProfileSamples {
			return errors.New("too many samples")
		}
		r.samples = append(r.samples, s)
	}
	return r.expect(']')
}
