package jfr

import (
	"fmt"
	"math"
	"strings"
	"time"

	"leaklab/loader/text"
)

// SizeLimit is the most bytes of a file that are read.
const SizeLimit = 24 << 20

// Bounds of what is returned.
const (
	mostSamples = 4096
	mostFrames  = 64
	mostChain   = 512
	mostName    = 500 // characters
)

// Sample is an object that was alive when the recording was written. Its texts are one line of printable text each.
type Sample struct {
	Class     string    // as in Java's source: "int[]", "java.util.ArrayList"
	Allocated time.Time // when
	Thread    string    // that allocated it
	Stack     []Frame   // that allocated it, the innermost first
	Chain     []Link    // references that keep it, the nearest first; empty if they were not searched for
	Root      Root      // the end of the chain
}

// Frame is a method of a stack.
type Frame struct {
	Class, Method string // "java.util.HashMap", "newNode"
	Line          int    // 0 if it is unknown
}

// Link is a reference: Class is that of the holder.
type Link struct {
	Class       string
	Description string // of the holder, such as "Thread Name: main", or "Class Name: Leaks" for a class
	Field       string // that refers; empty for an element of an array
	Static      bool   // Field is one of the class that Description names
}

// Root is what a collector starts from; empty if it is unknown.
type Root struct {
	System, Type, Description string // "Threads", "Stack Variable", "Thread Name: main"
}

// Recording is what is read of a file.
type Recording struct {
	Samples []Sample
	// Others are events of other types, by name, without the metadata and the constants.
	Others map[string]int
}

// Read reads the old object samples of a file, of at most SizeLimit bytes. It fails for a file that is damaged, cut, or
// takes too much work.
func Read(file []byte) (Recording, error) {
	if len(file) > SizeLimit {
		return Recording{}, fmt.Errorf("it has more than %d MiB", SizeLimit>>20)
	}
	return read(file, mostWork)
}

// read is Read with a bound of the work.
func read(file []byte, work int) (Recording, error) {
	recording := Recording{Others: make(map[string]int)}
	for first := true; first || len(file) > 0; first = false {
		c, size, err := readChunk(file, &work)
		if err != nil {
			return Recording{}, err
		}
		for name, count := range c.others {
			recording.Others[printable(name)] += count
		}
		for _, event := range c.samples {
			if len(recording.Samples) < mostSamples {
				recording.Samples = append(recording.Samples, sampleOf(event))
			}
		}
		if work < 0 {
			return Recording{}, errWork
		}
		file = file[size:]
	}
	return recording, nil
}

// sampleOf reads an event of sampleType.
func sampleOf(event value) Sample {
	object := event.field("object")
	found := Sample{
		Class:     className(object),
		Allocated: event.chunk.time(event.number("allocationTime")),
		Thread:    printable(event.field("eventThread").text("javaName")),
	}
	for _, frame := range event.field("stackTrace").each("frames", mostFrames) {
		method := frame.field("method")
		line := frame.number("lineNumber")
		if line < 0 || line > math.MaxInt32 {
			line = 0
		}
		found.Stack = append(found.Stack, Frame{Class: className(method), Method: printable(method.text("name")), Line: int(line)})
	}
	for reference := object.field("referrer"); reference.class != nil && len(found.Chain) < mostChain; {
		holder := reference.field("object")
		if holder.class == nil {
			break
		}
		const static = 0x8 // ACC_STATIC of the format of class files
		field := reference.field("field")
		found.Chain = append(found.Chain, Link{
			Class:       className(holder),
			Description: printable(holder.text("description")),
			Field:       printable(field.text("name")),
			Static:      field.number("modifiers")&static != 0,
		})
		reference = holder.field("referrer")
	}
	root := event.field("root")
	found.Root = Root{System: printable(root.text("system")), Type: printable(root.text("type")), Description: printable(root.text("description"))}
	return found
}

// time is when the clock of the chunk shows ticks.
func (c *chunk) time(ticks int64) time.Time {
	return c.began.Add(time.Duration(float64(ticks-c.ticks) * c.perTick))
}

// className is the name of the class that a value has as its type.
func className(of value) string { return ClassName(of.field("type").text("name")) }

// printable is one line of printable text.
func printable(foreign string) string {
	return text.Printable(text.Clip(strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(strings.ToValidUTF8(foreign, "\uFFFD")), mostName))
}
