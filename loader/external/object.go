package external

import (
	"encoding/json"
	"slices"
	"strings"
)

// mostObjects is how many of an output's JSON objects are kept, the last ones.
const mostObjects = 1024

// mostBroken is how many pieces of an output that only begin like a JSON object are read at most, since each is read to
// its end.
const mostBroken = 16

// objects are the JSON objects of an output, by key.
type objects []map[string]json.RawMessage

// objectsOf returns the JSON objects in output that begin a line, at most the last mostObjects.
func objectsOf(output string) objects {
	var all objects
	broken := 0
	for broken < mostBroken {
		if !strings.HasPrefix(output, "{") {
			next := strings.Index(output, "\n{")
			if next < 0 {
				break
			}
			output = output[next+1:]
		}
		decoder := json.NewDecoder(strings.NewReader(output))
		var object map[string]json.RawMessage
		if decoder.Decode(&object) != nil {
			broken++
			output = output[1:]
			continue
		}
		if len(all) == mostObjects {
			all = slices.Delete(all, 0, 1)
		}
		all = append(all, object)
		output = output[decoder.InputOffset():]
	}
	return all
}

// reader returns a reader of the summaries that one tool has written as JSON.
func (o objects) reader(read func(map[string]json.RawMessage, *Counts) outcome) func(*Counts) outcome {
	return func(counts *Counts) outcome {
		any := false
		for _, object := range o {
			switch read(object, counts) {
			case implausible:
				return implausible
			case found:
				any = true
			}
		}
		return is(any)
	}
}

// has tells whether an object has all keys.
func has(object map[string]json.RawMessage, keys ...string) bool {
	for _, key := range keys {
		if _, ok := object[key]; !ok {
			return false
		}
	}
	return true
}
