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
