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

// Bounds of the metadata. OpenJDK 17 has 400 types with 2,000 fields.
const (
	mostStrings  = 1 << 16
	mostElements = 1 << 17
	mostDepth    = 16
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
	reader   *reader
	strings  []string
	elements int
	classes  map[int64]*class
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

// element reads an element and those in it. A field belongs to the class that it is in.
func (m *metadata) element(in *class, depth int) {
	if m.elements++; m.elements > mostElements || depth > mostDepth {
		m.reader.fail(errors.New("its metadata has too many elements"))
		return
	}
	name := m.string()
	attributes := make(map[string]string)
	for count := m.reader.integer(); count > 0 && m.reader.err == nil; count-- {
		key := m.string()
		attributes[key] = m.string()
	}
	switch name {
	case "class":
		in = &class{id: m.id(attributes["id"]), name: attributes["name"]}
		m.classes[in.id] = in
	case "field":
		if in == nil {
			m.reader.fail(errors.New("its metadata has a field outside of a class"))
			return
		}
		dimension := attributes["dimension"]
		in.fields = append(in.fields, field{
			name:     attributes["name"],
			class:    m.id(attributes["class"]),
			constant: attributes["constantPool"] == "true",
			array:    dimension != "" && dimension != "0",
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
