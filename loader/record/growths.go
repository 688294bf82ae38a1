package record

import "leaklab/loader/verdict"

// PartGrowth is the growth of a part of what a server holds. Iterations are counted from 1.
type PartGrowth struct {
	Part                  string  `json:"part"` // live, slack, outside or held
	GrowthBytesPerRequest float64 `json:"growth_bytes_per_request"`
	LowerBytesPerRequest  float64 `json:"lower_bytes_per_request"`
	UpperBytesPerRequest  float64 `json:"upper_bytes_per_request"`
	JudgedFirst           int     `json:"judged_first"`
	JudgedLast            int     `json:"judged_last"`
}

func partGrowths(all []verdict.PartGrowth) (known []PartGrowth) {
	for _, g := range all {
		known = append(known, PartGrowth{g.Part.Label(), g.Growth, g.Lower, g.Upper, g.Judged.First, g.Judged.Last})
	}
	return known
}

// RestsOn is the part that the verdict rests on: live memory, memory outside the heap, the memory of a worker, or held
// memory.
func (v Verdict) RestsOn() verdict.Part { return v.Of.Judged() }

// GrowthOf is the growth of live memory, heap slack, memory outside the heap or held memory; false if it is not known.
func (v Verdict) GrowthOf(part verdict.Part) (PartGrowth, bool) {
	if !v.Estimated {
		return PartGrowth{}, false
	}
	for _, g := range v.Growths {
		if g.Part == part.Label() {
			return g, true
		}
	}
	return PartGrowth{
		Part: part.Label(), GrowthBytesPerRequest: v.GrowthBytesPerRequest, LowerBytesPerRequest: v.LowerBytesPerRequest, UpperBytesPerRequest: v.UpperBytesPerRequest,
		JudgedFirst: v.JudgedFirst, JudgedLast: v.JudgedLast,
	}, part == v.RestsOn()
}

// EndBytes is verdict.Iteration's EndOf, in whole bytes.
func (i Iteration) EndBytes(part verdict.Part) (int64, bool) {
	bytes, known := i.Evidence().EndOf(part)
	return int64(bytes), known
}
