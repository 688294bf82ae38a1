package judge

import (
	"leaklab/loader/lab"
	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// evidence is what the verdict reads of an iteration: its row, and the number of mappings, which no table holds.
func evidence(i lab.Iteration, row record.Iteration) verdict.Iteration {
	evidence := row.Evidence()
	if i.End.Held != nil && i.End.Held.Count > 0 {
		evidence.Parts[verdict.Mappings] = uint64(i.End.Held.Count)
	}
	return evidence
}

// readingAtRest is what the verdict reads of a rest.
func readingAtRest(rest *lab.Rest) *verdict.Rest {
	read := &verdict.Rest{
		Seconds: rest.Length.Seconds(), Bytes: uint64(rest.Reading.HeldBytes()), EndSecond: record.Second(rest.EndedAt),
		Closed: rest.Closed, Parts: make(map[verdict.Part]uint64),
	}
	if live := rest.Live; live != nil {
		read.PartsSecond = record.Second(rest.LiveAt)
		read.Parts[verdict.Live] = uint64(live.Bytes)
		if live.Outside >= 0 {
			read.Parts[verdict.Outside] = uint64(live.Outside)
		}
	}
	return read
}

// bounds sets what bounds the growth of the server's heap and of its mappings, as it was read last.
func (j *Judge) bounds() {
	if live := j.Last().Live; live != nil && live.Limit.Bytes > 0 {
		j.options.HeapLimit = verdict.HeapLimit{Bytes: uint64(live.Limit.Bytes), Of: live.Limit.Of}
	}
	j.options.Mapping = filled(j.iterations)
}

// filled is the file or shared segment whose pages have grown most since the first iteration; zero if none has.
func filled(iterations []lab.Iteration) verdict.Mapping {
	first, last := iterations[0].End.Held, iterations[len(iterations)-1].End.Held
	if first == nil || last == nil {
		return verdict.Mapping{}
	}
	before := make(map[string]int64)
	for _, m := range first.Mappings {
		before[m.Name] = m.Resident
	}
	var most verdict.Mapping
	grown := int64(0)
	for _, m := range last.Mappings {
		if gain := m.Resident - before[m.Name]; gain > grown && m.Size > 0 {
			grown = gain
			most = verdict.Mapping{Name: "a file", Bytes: uint64(m.Size)}
			if m.Shared {
				most.Name = "a shared segment"
			}
		}
	}
	return most
}
