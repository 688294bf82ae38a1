package jfr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// budget is what may still be taken of a file, so that one that lies is read in less than a second, and in less than 48 MiB
// beside its own bytes.
type budget struct {
	work      int // values, and bytes of texts
	text      int // bytes of texts
	elements  int // of metadata
	constants int // that are kept
	links     int // of all chains
}

// wholeBudget is that of a file. OpenJDK 17 has 400 types with 2,000 fields in each chunk.
func wholeBudget() *budget {
	return &budget{work: 1 << 24, text: 4 << 20, elements: 1 << 17, constants: 1 << 18, links: 1 << 16}
}

// spent tells if more was taken than there was.
func (b *budget) spent() bool { return min(b.work, b.text, b.elements, b.constants, b.links) < 0 }

var errBudget = errors.New("it takes too much work to read")

// reader reads values from the bytes of a chunk. After the first error all of them are zero.
type reader struct {
	data []byte
	at   int
	err  error
	left *budget
}

// from is a reader of the same bytes at another place.
func (r *reader) from(at int) *reader { return &reader{data: r.data, at: at, left: r.left} }

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// step counts a value.
func (r *reader) step() { r.spend(&r.left.work, 1) }

// spend takes from a part of the budget.
func (r *reader) spend(left *int, count int) {
	if *left -= count; *left < 0 {
		r.fail(errBudget)
	}
}

// take are the next bytes; nil if there are not as many.
func (r *reader) take(count int64) []byte {
	if r.err == nil && (count < 0 || count > int64(len(r.data)-r.at)) {
		r.fail(fmt.Errorf("it is cut at byte %d", r.at))
	}
	if r.err != nil {
		return nil
	}
	taken := r.data[r.at : r.at+int(count)]
	r.at += int(count)
	return taken
}

// integer is a compressed integer, as all are but those of a header: seven bits a byte, the lowest first, while the highest
// bit is set; the ninth byte has eight.
func (r *reader) integer() int64 {
	const last = 8
	r.step()
	var value uint64
	for i := range last + 1 {
		next := r.take(1)
		if next == nil {
			return 0
		}
		if i == last {
			return int64(value | uint64(next[0])<<(7*last))
		}
		value |= uint64(next[0]&0x7f) << (7 * i)
		if next[0] < 0x80 {
			break
		}
	}
	return int64(value)
}

// fixed is an integer of a header: eight bytes, the highest first.
func (r *reader) fixed() int64 {
	if taken := r.take(8); taken != nil {
		return int64(binary.BigEndian.Uint64(taken))
	}
	return 0
}

// How a string is stored.
const (
	stringNull     = 0
	stringEmpty    = 1
	stringConstant = 2 // a key of the constants of java.lang.String
	stringUTF8     = 3
	stringUTF16    = 4 // a compressed integer for each unit
	stringLatin1   = 5
)

// mostText bounds a string that is read, in bytes.
const mostText = 1 << 16

// stored goes past a string, and returns its encoding and the bytes of its characters. Those of a stringConstant are its key.
func (r *reader) stored() (encoding byte, characters []byte) {
	head := r.take(1)
	if head == nil {
		return stringNull, nil
	}
	switch head[0] {
	case stringNull, stringEmpty:
	case stringUTF8, stringLatin1:
		characters = r.take(r.integer())
	case stringConstant, stringUTF16:
		units := int64(1)
		if head[0] == stringUTF16 {
			units = r.integer()
		}
		begin := r.at
		for ; units > 0 && r.err == nil; units-- {
			r.integer()
		}
		characters = r.data[begin:r.at]
	default:
		r.fail(fmt.Errorf("a string at byte %d has the unknown encoding %d", r.at-1, head[0]))
	}
	return head[0], characters
}

// text is a string. Its key is not 0 if it is a constant.
func (r *reader) text() (text string, key int64) {
	encoding, characters := r.stored()
	if len(characters) > mostText {
		r.fail(fmt.Errorf("a string has %d bytes", len(characters)))
	}
	r.spend(&r.left.work, len(characters))
	if encoding != stringConstant {
		r.spend(&r.left.text, len(characters))
	}
	if r.err != nil {
		return "", 0
	}
	inside := &reader{data: characters, left: r.left}
	switch encoding {
	case stringConstant:
		return "", inside.integer()
	case stringUTF8:
		return string(characters), 0
	case stringLatin1:
		runes := make([]byte, 0, len(characters))
		for _, character := range characters {
			runes = utf8.AppendRune(runes, rune(character))
		}
		return string(runes), 0
	case stringUTF16:
		units := make([]uint16, 0, len(characters))
		for inside.at < len(characters) && inside.err == nil {
			units = append(units, uint16(inside.integer()))
		}
		return string(utf16.Decode(units)), 0
	}
	return "", 0
}

// primitive goes past a value of a primitive type, by its name; false if it is none.
func (r *reader) primitive(name string) bool {
	switch name {
	case "boolean", "byte":
		r.take(1)
	case "char", "short", "int", "long":
		r.integer()
	case "float":
		r.take(4)
	case "double":
		r.take(8)
	case stringType:
		r.stored()
	default:
		return false
	}
	return true
}
