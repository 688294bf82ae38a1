package load

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Dimension is a part of a request that is new each time with the shape unique. The setting UNIQUE names some.
type Dimension struct {
	Name string
	// Help completes the sentence "each request has ...". It is plain text on one line.
	Help string

	// number puts a number into that part.
	number func(e *Exchange, n string)
}

// Dimensions returns all dimensions, in the order in which they are listed.
func Dimensions() []Dimension {
	return []Dimension{
		{"path", "-1, -2 and so on after the last segment of its path", numberPath},
		{"query", "a parameter leaklab-1=1, leaklab-2=2 and so on", numberQuery},
		{"method", "a method GET-B, GET-C and so on, the number in letters, where METHOD is GET", numberMethod},
		{"host", "a Host leaklab-1.NAME, leaklab-2.NAME and so on, or leaklab-1.localhost where that is an address", numberHost},
		{"user-agent", "a User-Agent that ends in leaklab/1, leaklab/2 and so on", numberUserAgent},
		{"cookie", "a cookie leaklab-1=1, leaklab-2=2 and so on", numberCookie},
		{"header", "a header field X-Leaklab-1: 1, X-Leaklab-2: 2 and so on", numberHeader},
		{"body", "a body that ends in -1, -2 and so on; GET becomes POST", numberBody},
	}
}

// UsualDimensions are the names of those that the shape unique has if none are named.
func UsualDimensions() []string { return []string{"path", "header"} }

// CallDimensions are the names of those that a call of gRPC may have.
func CallDimensions() []string { return []string{"host", "user-agent", "cookie", "header"} }

// DimensionNames returns the names of all dimensions.
func DimensionNames() []string {
	var names []string
	for _, d := range Dimensions() {
		names = append(names, d.Name)
	}
	return names
}

// dimensionsNamed returns the dimensions of these names, or else the usual ones.
func dimensionsNamed(names []string) []Dimension {
	if len(names) == 0 {
		names = UsualDimensions()
	}
	return slices.DeleteFunc(Dimensions(), func(d Dimension) bool { return !slices.Contains(names, d.Name) })
}

// placeholder is where the number stands in a part of a request that has one. Other parts have it at their end.
const placeholder = "{unique}"

// placed returns text with the number in place of each placeholder, or instead if there is none.
func placed(text, number, instead string) string {
	escaped := "%7Bunique%7D" // in a URL
	if !strings.Contains(text, placeholder) && !strings.Contains(text, escaped) {
		return instead
	}
	return strings.NewReplacer(placeholder, number, escaped, number).Replace(text)
}

// numberPath has the number follow the last segment of the path, so that a route with a parameter there still matches.
func numberPath(e *Exchange, n string) {
	path, query, asked := strings.Cut(e.Path, "?")
	e.Path = placed(path, n, path+"-"+n)
	if asked {
		e.Path += "?" + query
	}
}

func numberQuery(e *Exchange, n string) {
	path, query, _ := strings.Cut(e.Path, "?")
	added := pair(n)
	if query != "" {
		added = query + "&" + added
	}
	e.Path = path + "?" + placed(query, n, added)
}

// pair is a parameter or a cookie whose name and value are new.
func pair(n string) string { return "leaklab-" + n + "=" + n }

// numberMethod writes the number with letters, since nginx takes a method of capitals, hyphens and underscores only.
func numberMethod(e *Exchange, n string) {
	letters := []byte(n)
	for at, digit := range letters {
		letters[at] = 'A' + digit - '0'
	}
	e.Method += "-" + string(letters)
}

// numberHost makes a name below that of the host. The connection is to the plan's address, whatever it is.
func numberHost(e *Exchange, n string) {
	const longest = 253 // of a name in DNS
	name, port, err := net.SplitHostPort(e.Host)
	if err != nil {
		name = strings.Trim(e.Host, "[]")
	}
	_, notAddress := netip.ParseAddr(name)
	below := "leaklab-" + n + "."
	if notAddress == nil || len(below)+len(name) > longest {
		name = "localhost" // whose names are loopback addresses: RFC 6761
	}
	e.Host = placed(name, n, below+name)
	if port != "" {
		e.Host += ":" + port
	}
}

func numberUserAgent(e *Exchange, n string) {
	e.numberField("User-Agent", n, " ", "leaklab/"+n)
}

func numberCookie(e *Exchange, n string) { e.numberField("Cookie", n, "; ", pair(n)) }

// numberField puts a number into the first field of that name: at its placeholders, or at its end, where separator and
// added follow what it has. Without such a field there is one.
func (e *Exchange) numberField(name, n, separator, added string) {
	at := slices.IndexFunc(e.Header, func(f Field) bool { return strings.EqualFold(f.Name, name) })
	if at < 0 {
		e.Header = append(slices.Clip(e.Header), Field{name, added})
		return
	}
	e.Header = slices.Clone(e.Header)
	value := &e.Header[at].Value
	if *value != "" {
		added = *value + separator + added
	}
	*value = placed(*value, n, added)
}

func numberHeader(e *Exchange, n string) {
	marked := func(f Field) bool {
		return strings.Contains(f.Value, placeholder) && !strings.EqualFold(f.Name, "User-Agent") && !strings.EqualFold(f.Name, "Cookie")
	}
	if !slices.ContainsFunc(e.Header, marked) {
		e.Header = append(slices.Clip(e.Header), Field{"X-Leaklab-" + n, n})
		return
	}
	e.Header = slices.Clone(e.Header)
	for at, field := range e.Header {
		if marked(field) {
			e.Header[at].Value = placed(field.Value, n, "")
		}
	}
}

// numberBody looks for placeholders in bodies that are sent together with the header.
func numberBody(e *Exchange, n string) {
	if e.Method == "GET" {
		e.Method = "POST"
	}
	size := sizeOf(e.Body)
	if size == 0 {
		e.Body = strings.NewReader("leaklab-" + n)
		return
	}
	if size <= wholeLimit {
		content := make([]byte, size)
		if _, err := io.ReadFull(io.NewSectionReader(e.Body, 0, size), content); err == nil {
			e.Body = strings.NewReader(placed(string(content), n, string(content)+"-"+n))
			return
		}
	}
	e.Body = joined{e.Body, strings.NewReader("-" + n)} // if it cannot be read, that fails again when it is sent
}

// joined is a body of several, one after the other.
type joined []Body

// Size returns the length of all.
func (j joined) Size() int64 {
	var size int64
	for _, part := range j {
		size += part.Size()
	}
	return size
}

// ReadAt reads from one or several parts. It fails with io.EOF at the end, and if a part is shorter than it was.
func (j joined) ReadAt(p []byte, at int64) (int, error) {
	done := 0
	for _, part := range j {
		size := part.Size()
		if asked := int(min(int64(len(p)-done), size-at)); asked > 0 {
			n, err := part.ReadAt(p[done:done+asked], at)
			done += n
			if n < asked {
				return done, err
			}
		}
		at = max(0, at-size)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}
