package record

import "leaklab/loader/verdict"

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
		if g.Part == part {
			return g, true
		}
	}
	return PartGrowth{
		Part: part, GrowthBytesPerRequest: v.GrowthBytesPerRequest, LowerBytesPerRequest: v.LowerBytesPerRequest, UpperBytesPerRequest: v.UpperBytesPerRequest,
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
	held := i.RSSEndBytes + value(i.SwapEndBytes) - value(i.LazyfreeEndBytes)
	switch part {
	case verdict.Live:
		return value(i.LiveEndBytes), i.LiveEndBytes != nil
	case verdict.Outside:
		return value(i.OutsideEndBytes), i.OutsideEndBytes != nil
	case verdict.Slack:
		files := value(i.FileEndBytes) + value(i.SharedEndBytes)
		return max(0, held-files-value(i.LiveEndBytes)-value(i.OutsideEndBytes)), i.LiveEndBytes != nil && i.OutsideEndBytes != nil
	case verdict.Held:
		return held, true
	}
	return 0, false
}
