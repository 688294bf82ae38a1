package jfr

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

const (
	headerSize = 68
	// The types of events that every chunk has.
	typeMetadata   = 0
	typeCheckpoint = 1
)

// constantKey is the type and the key of a constant.
type constantKey struct{ class, key int64 }

// chunk is one chunk of a file.
type chunk struct {
	reader            *reader // of its bytes
	classes           map[int64]*class
	needed            map[int64]bool // types whose constants are kept
	constants         map[constantKey]int32
	texts, classNames map[constantKey]string // of constants that were read
	samples           []value                // events of sampleType
	chain             []Link                 // of the sample that is read
	began             time.Time
	ticks             int64          // when it began
	perTick           float64        // nanoseconds
	others            map[string]int // events that are none of these, by type
}

// readChunk finds the samples and the constants of the first chunk of data, and returns how many bytes the chunk has.
func readChunk(data []byte, left *budget) (*chunk, int, error) {
	if len(data) < headerSize || !bytes.Equal(data[:4], []byte("FLR\x00")) {
		return nil, 0, errors.New("it is no recording of JDK Flight Recorder")
	}
	if major := int(data[4])<<8 | int(data[5]); major != 2 {
		return nil, 0, fmt.Errorf("its format has the unknown version %d", major)
	}
	header := &reader{data: data, at: 8, left: left}
	size, _, metadataAt := header.fixed(), header.fixed(), header.fixed()
	nanoseconds, _, ticks, perSecond := header.fixed(), header.fixed(), header.fixed(), header.fixed()
	if size < headerSize || size > int64(len(data)) {
		return nil, 0, fmt.Errorf("it is cut: a chunk of %d bytes has %d", size, len(data))
	}
	if metadataAt < headerSize || metadataAt >= size {
		return nil, 0, fmt.Errorf("its metadata is at byte %d of %d", metadataAt, size)
	}
	if perSecond <= 0 || data[headerSize-1]&1 == 0 {
		return nil, 0, errors.New("its header is damaged, or its integers are not compressed")
	}
	c := &chunk{
		reader:    &reader{data: data[:size], at: headerSize, left: left},
		constants: make(map[constantKey]int32),
		texts:     make(map[constantKey]string), classNames: make(map[constantKey]string),
		began: time.Unix(0, nanoseconds), ticks: ticks, perTick: float64(time.Second) / float64(perSecond),
		others: make(map[string]int),
	}
	var err error
	if c.classes, err = readMetadata(c.reader.from(int(metadataAt))); err != nil {
		return nil, 0, err
	}
	c.needed = c.reachable(sampleType)
	return c, int(size), c.events()
}

// reachable are the types of all values that one of a type can lead to.
func (c *chunk) reachable(name string) map[int64]bool {
	found := make(map[int64]bool)
	var todo []*class
	for _, one := range c.classes {
		if one.name == name || one.name == stringType {
			todo = append(todo, one)
		}
	}
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if found[next.id] {
			continue
		}
		found[next.id] = true
		for _, field := range next.fields {
			if below := c.classes[field.class]; below != nil {
				todo = append(todo, below)
			}
		}
	}
	return found
}

// events goes through all events.
func (c *chunk) events() error {
	r := c.reader
	for r.at < len(r.data) && r.err == nil {
		begin := r.at
		size := r.integer()
		kind := r.integer()
		switch {
		case r.err != nil:
			return r.err
		case size < int64(r.at-begin) || size > int64(len(r.data)-begin):
			return fmt.Errorf("an event at byte %d has %d bytes", begin, size)
		case kind == typeCheckpoint:
			if err := c.checkpoint(r.from(r.at)); err != nil {
				return err
			}
		case kind != typeMetadata:
			c.event(kind)
		}
		r.at = begin + int(size)
	}
	return r.err
}

// event takes notice of an event whose fields begin here.
func (c *chunk) event(kind int64) {
	found := c.classes[kind]
	switch {
	case found == nil:
		c.others["unknown"]++
	case found.name != sampleType:
		c.others[found.name]++
	case len(c.samples) < mostSamples:
		c.samples = append(c.samples, value{chunk: c, class: found, at: c.reader.at})
	}
}

// checkpoint finds the constants of a checkpoint.
func (c *chunk) checkpoint(r *reader) error {
	r.integer() // start
	r.integer() // duration
	r.integer() // distance to the one before
	r.take(1)   // kind of checkpoint
	for pools := r.integer(); pools > 0 && r.err == nil; pools-- {
		id := r.integer()
		one := c.classes[id]
		if one == nil && r.err == nil {
			return fmt.Errorf("it has constants of the unknown type %d", id)
		}
		for count := r.integer(); count > 0 && r.err == nil; count-- {
			key := r.integer()
			if c.needed[id] && r.err == nil {
				r.spend(&r.left.constants, 1)
				c.constants[constantKey{id, key}] = int32(r.at)
			}
			c.skip(r, one, 0)
		}
	}
	return r.err
}

// skip goes past a value of a type.
func (c *chunk) skip(r *reader, of *class, depth int) {
	r.step()
	if r.err != nil || r.primitive(of.name) {
		return
	}
	if depth > mostDepth {
		r.fail(errors.New("its types contain each other"))
		return
	}
	for _, field := range of.fields {
		c.skipField(r, field, depth)
	}
}

// skipField goes past what a field holds.
func (c *chunk) skipField(r *reader, field field, depth int) {
	count := int64(1)
	if field.array {
		count = r.integer()
	}
	for ; count > 0 && r.err == nil; count-- {
		below := c.classes[field.class]
		switch {
		case field.constant:
			r.integer()
		case below == nil:
			r.fail(fmt.Errorf("the field %.40q has the unknown type %d", field.name, field.class))
		default:
			c.skip(r, below, depth+1)
		}
	}
}
