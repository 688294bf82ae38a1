package jfr

import "strings"

// ClassName is the name of a class as in Java's source, by its name in the JVM: "int[]" for "[I", "java.lang.String[]" for
// "[Ljava.lang.String;" or "[Ljava/lang/String;". The names that the JVM makes up at each start are left out of those of
// lambdas and hidden classes: "Leaks$$Lambda" for "Leaks$$Lambda$14/0x0000000800c8a400". It is one line of printable text.
func ClassName(internal string) string {
	element := strings.TrimLeft(internal, "[")
	dimensions := len(internal) - len(element)
	switch {
	case dimensions == 0:
	case strings.HasPrefix(element, "L"):
		element = strings.TrimSuffix(element[1:], ";")
	default:
		if primitive, known := primitives()[element]; known {
			element = primitive
		}
	}
	for _, address := range []string{"/0x", "+0x"} {
		element, _, _ = strings.Cut(element, address)
	}
	if before, _, found := strings.Cut(element, "$$Lambda"); found {
		element = before + "$$Lambda"
	}
	const most = 8 // dimensions, of 255 that there may be
	return printable(strings.ReplaceAll(element, "/", ".") + strings.Repeat("[]", min(dimensions, most)))
}

// primitives are the names of primitive types by the letter of a descriptor.
func primitives() map[string]string {
	return map[string]string{
		"Z": "boolean", "B": "byte", "C": "char", "S": "short", "I": "int", "J": "long", "F": "float", "D": "double",
	}
}
