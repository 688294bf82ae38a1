package memory

// Site is a place that live memory belongs to, as the runtime tells it: a line that allocates, a function, or a class. What
// a runtime does not tell is empty or 0. Texts come from the server: the reader keeps them to one line of printable text.
type Site struct {
	Class    string // of the objects, such as "int[]"; empty where memory is told by place alone
	Function string // that allocates, demangled
	File     string
	Line     int // of File; the first of Function where InFunction is true
	// InFunction is true if the runtime tells the function, but not the line in it.
	InFunction bool
	// Callers lead to Function, the nearest first, at most 8: "function file:line".
	Callers []string
	// Holders keep the objects from being collected, the nearest first, at most 16: "java.util.ArrayList.elementData",
	// "static field Leak.KEPT".
	Holders []string
	Bytes   int64 // live
	Objects int64
	// Sampled is true if Bytes and Objects are estimated from a sample.
	Sampled bool
	// Outside is true if Bytes are outside the heap, and no part of live memory.
	Outside bool
}

// GoroutineStack is the Class of the stacks of goroutines, which no site of the heap has bytes of.
const GoroutineStack = "goroutine stack"

// Key tells sites apart: what two readings of the same place have in common.
func (s Site) Key() SiteKey {
	return SiteKey{Class: s.Class, Function: s.Function, File: s.File, Line: s.Line}
}

// SiteKey is the Key of a Site.
type SiteKey struct {
	Class, Function, File string
	Line                  int
}
