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

// RestsOn is the part that the verdict rests on: live memory, memory outside the heap, or held memory.
func (v Verdict) RestsOn() verdict.Part {
	if v.Of == verdict.Live || v.Of == verdict.Outside {
		return v.Of
	}
	return verdict.Held
}

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

// EndBytes is what the server held at the end of the iteration: live memory, heap slack, memory outside the heap, or all
// that it held, in bytes. It is false if that is not known.
func (i Iteration) EndBytes(part verdict.Part) (int64, bool) {
	value := func(column *uint64) int64 {
		if column == nil {
			return 0
		}
		return int64(*column)
	}
	held := i.RSSEndBytes + value(i.SwapEndBytes) - value(i.LazyfreeEndBytes) + value(i.HugetlbEndBytes) + value(i.UnmappedEndBytes)
	outside := value(i.OutsideEndBytes) + value(i.UnmappedEndBytes)
	switch part {
	case verdict.Live:
		return value(i.LiveEndBytes), i.LiveEndBytes != nil
	case verdict.Outside:
		return outside, i.OutsideEndBytes != nil
	case verdict.Slack:
		files := value(i.FileEndBytes) + value(i.SharedEndBytes)
		return max(0, held-files-value(i.LiveEndBytes)-outside), i.LiveEndBytes != nil && i.OutsideEndBytes != nil
	case verdict.Held:
		return held, true
	}
	return 0, false
}
