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

// text is a field that is a string, or a value with one field, as a symbol is, as one line of printable text; empty if it is
// missing.
func (v value) text(name string) string {
	if v.class == nil {
		return ""
	}
	return v.said(name, v.chunk.texts, printable)
}

// className is such a field as ClassName has it.
func (v value) className(name string) string {
	if v.class == nil {
		return ""
	}
	return v.said(name, v.chunk.classNames, ClassName)
}

// said is such a field after as. That of a constant is kept: thousands of values may refer to it.
func (v value) said(name string, kept map[constantKey]string, as func(string) string) string {
	r, field := v.find(name)
	if r == nil || field.array {
		return ""
	}
	if !field.constant {
		return as(v.chunk.one(r, field).string())
	}
	key := constantKey{field.class, r.integer()}
	known, found := kept[key]
	if !found {
		known = as(v.chunk.constant(key.class, key.key).string())
		kept[key] = known
	}
	return known
}

// string is the text of a string, or of a value with one field.
func (v value) string() string {
	if v.class != nil && v.class.name != stringType && len(v.class.fields) == 1 {
		v = v.field(v.class.fields[0].name)
	}
	if v.class == nil || v.class.name != stringType {
		return ""
	}
	text, key := v.chunk.reader.from(v.at).text()
	if key == 0 {
		return text
	}
	constant := v.chunk.constant(v.class.id, key)
	if constant.class == nil {
		return ""
	}
	text, _ = v.chunk.reader.from(constant.at).text()
	return text
}
