package jfr

// value is a value of a chunk. That of a nil class is missing: its fields are missing too.
type value struct {
	chunk *chunk
	class *class
	at    int
}

// find returns a reader at the field of a name, and the field; nil if there is none.
func (v value) find(name string) (*reader, field) {
	if v.class == nil {
		return nil, field{}
	}
	r := v.chunk.reader.from(v.at)
	for _, field := range v.class.fields {
		if field.name == name {
			return r, field
		}
		v.chunk.skipField(r, field, 0)
		if r.err != nil {
			break
		}
	}
	return nil, field{}
}

// constant is the constant of a key; missing if there is none.
func (c *chunk) constant(class, key int64) value {
	at, found := c.constants[constantKey{class, key}]
	if !found {
		return value{}
	}
	return value{chunk: c, class: c.classes[class], at: int(at)}
}

// one is the value of a field that begins here, or of the next one of an array.
func (c *chunk) one(r *reader, of field) value {
	if of.constant {
		return c.constant(of.class, r.integer())
	}
	next := value{chunk: c, class: c.classes[of.class], at: r.at}
	if next.class != nil {
		c.skip(r, next.class, 0)
	}
	if r.err != nil {
		return value{}
	}
	return next
}

// field is the value of a field.
func (v value) field(name string) value {
	r, field := v.find(name)
	if r == nil || field.array {
		return value{}
	}
	return v.chunk.one(r, field)
}

// each yields the values of a field that is an array, at most so many as most.
func (v value) each(name string, most int) []value {
	r, field := v.find(name)
	if r == nil || !field.array {
		return nil
	}
	var all []value
	for count := r.integer(); count > 0 && r.err == nil && len(all) < most; count-- {
		all = append(all, v.chunk.one(r, field))
	}
	return all
}

// number is a field that is an integer; 0 if it is missing.
func (v value) number(name string) int64 {
	found := v.field(name)
	if found.class == nil {
		return 0
	}
	r := found.chunk.reader.from(found.at)
	switch found.class.name {
	case "boolean", "byte":
		if taken := r.take(1); taken != nil {
			return int64(taken[0])
		}
	case "char", "short", "int", "long":
		return r.integer()
	}
	return 0
}

// text is a field that is a string, or a value with one field, as a symbol is; empty if it is missing.
func (v value) text(name string) string {
	found := v.field(name)
	if found.class != nil && found.class.name != stringType && len(found.class.fields) == 1 {
		found = found.field(found.class.fields[0].name)
	}
	if found.class == nil || found.class.name != stringType {
		return ""
	}
	text, key := found.chunk.reader.from(found.at).text()
	if key == 0 {
		return text
	}
	constant := found.chunk.constant(found.class.id, key)
	if constant.class == nil {
		return ""
	}
	text, _ = found.chunk.reader.from(constant.at).text()
	return text
}
