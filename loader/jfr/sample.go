package jfr

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"leaklab/loader/text"
)

// SizeLimit is the most bytes of a file that are read.
const SizeLimit = 16 << 20

// Bounds of what is returned.
const (
	mostSamples = 1024
	mostFrames  = 64
	mostChain   = 256 // OpenJDK writes 200 at most: 100 at either end
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
	return read(file, wholeBudget())
}

// read is Read within a budget.
func read(file []byte, left *budget) (Recording, error) {
	recording := Recording{Others: make(map[string]int)}
	for first := true; first || len(file) > 0; first = false {
		c, size, err := readChunk(file, left)
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
		if left.spent() {
			return Recording{}, errBudget
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
		Thread:    event.field("eventThread").text("javaName"),
	}
	for _, frame := range event.field("stackTrace").each("frames", mostFrames) {
		method := frame.field("method")
		line := frame.number("lineNumber")
		if line < 0 || line > math.MaxInt32 {
			line = 0
		}
		found.Stack = append(found.Stack, Frame{Class: className(method), Method: method.text("name"), Line: int(line)})
	}
	found.Chain = event.chunk.chainOf(object)
	root := event.field("root")
	found.Root = Root{System: root.text("system"), Type: root.text("type"), Description: root.text("description")}
	return found
}

// chainOf are the references that keep an object; nil if there are none.
func (c *chunk) chainOf(object value) []Link {
	c.chain = c.chain[:0]
	for reference := object.field("referrer"); reference.class != nil && len(c.chain) < mostChain; {
		holder := reference.field("object")
		if c.reader.left.links--; holder.class == nil || c.reader.left.spent() {
			break
		}
		const static = 0x8 // ACC_STATIC of the format of class files
		field := reference.field("field")
		c.chain = append(c.chain, Link{
			Class:       className(holder),
			Description: holder.text("description"),
			Field:       field.text("name"),
			Static:      field.number("modifiers")&static != 0,
		})
		reference = holder.field("referrer")
	}
	if len(c.chain) == 0 {
		return nil
	}
	return slices.Clone(c.chain)
}

// time is when the clock of the chunk shows ticks.
func (c *chunk) time(ticks int64) time.Time {
	return c.began.Add(time.Duration(float64(ticks-c.ticks) * c.perTick))
}

// className is the name of the class that a value has as its type.
func className(of value) string { return of.field("type").className("name") }

// oneLine replaces what text.Printable leaves of the characters that steer a terminal.
var oneLine = strings.NewReplacer("\n", `\n`, "\t", `\t`)

// printable is one line of printable text.
func printable(foreign string) string {
	foreign = foreign[:min(len(foreign), (mostName+1)*utf8.UTFMax)]
	return text.Printable(text.Clip(oneLine.Replace(strings.ToValidUTF8(foreign, "\uFFFD")), mostName))
}
