package jfr

import (
	"errors"
	"fmt"
	"strconv"
)

// The types that are known by name.
const (
	stringType = "java.lang.String"
	sampleType = "jdk.OldObjectSample"
)

// Bounds of the metadata of a chunk.
const (
	mostStrings = 1 << 16
	mostDepth   = 16
)

// class is a type, with the fields in the order in which its values have them.
type class struct {
	id     int64
	name   string
	fields []field
}

type field struct {
	name     string
	class    int64 // id of its type
	constant bool  // it is the key of a constant
	array    bool
}

// metadata are the types of a chunk.
type metadata struct {
	reader  *reader
	strings []string
	classes map[int64]*class
}

// readMetadata reads the event with the metadata of a chunk. An element is the index of its name, pairs of indices for its
// attributes, and the elements in it. A class is <class name id>, with <field name class constantPool dimension> in it.
func readMetadata(r *reader) (map[int64]*class, error) {
	r.integer() // size
	if kind := r.integer(); r.err == nil && kind != typeMetadata {
		return nil, fmt.Errorf("its metadata is an event of type %d", kind)
	}
	r.integer() // start
	r.integer() // duration
	r.integer() // id
	count := r.integer()
	if count < 0 || count > mostStrings {
		return nil, fmt.Errorf("its metadata has %d strings", count)
	}
	m := &metadata{reader: r, classes: make(map[int64]*class)}
	for range count {
		text, _ := r.text()
		m.strings = append(m.strings, text)
		if r.err != nil {
			return nil, r.err
		}
	}
	m.element(nil, 0)
	return m.classes, r.err
}

// string is a string by its index.
func (m *metadata) string() string {
	index := m.reader.integer()
	if index < 0 || index >= int64(len(m.strings)) {
		m.reader.fail(fmt.Errorf("its metadata has no string %d", index))
		return ""
	}
	return m.strings[index]
}

// attributes are those of an element that tell of types.
type attributes struct{ id, name, class, constantPool, dimension string }

func (a *attributes) set(key, value string) {
	switch key {
	case "id":
		a.id = value
	case "name":
		a.name = value
	case "class":
		a.class = value
	case "constantPool":
		a.constantPool = value
	case "dimension":
		a.dimension = value
	}
}

// element reads an element and those in it. A field belongs to the class that it is in.
func (m *metadata) element(in *class, depth int) {
	if m.reader.spend(&m.reader.left.elements, 1); depth > mostDepth {
		m.reader.fail(errors.New("its metadata is too deep"))
	}
	if m.reader.err != nil {
		return
	}
	name := m.string()
	var has attributes
	for count := m.reader.integer(); count > 0 && m.reader.err == nil; count-- {
		key := m.string()
		has.set(key, m.string())
	}
	switch name {
	case "class":
		in = &class{id: m.id(has.id), name: has.name}
		m.classes[in.id] = in
	case "field":
		if in == nil {
			m.reader.fail(errors.New("its metadata has a field outside of a class"))
			return
		}
		in.fields = append(in.fields, field{
			name:     has.name,
			class:    m.id(has.class),
			constant: has.constantPool == "true",
			array:    has.dimension != "" && has.dimension != "0",
		})
	}
	for count := m.reader.integer(); count > 0 && m.reader.err == nil; count-- {
		m.element(in, depth+1)
	}
}

func (m *metadata) id(text string) int64 {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		m.reader.fail(fmt.Errorf("its metadata has a type with the id %.20q", text))
	}
	return id
}
