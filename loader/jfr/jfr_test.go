package jfr

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The files in testdata are of OpenJDK 17.0.15, which ran live/testdata/sites/jvm/Leaks.java with LEAK=cache and LEAK=thread.
// Types that no sample refers to are left out, with their constants.

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile("testdata/" + name + ".jfr")
	require.NoError(t, err)
	return file
}

func TestReadACache(t *testing.T) {
	recording, err := Read(recorded(t, "cache"))
	require.NoError(t, err)
	assert.Empty(t, recording.Others)
	require.Len(t, recording.Samples, 43)
	at := slices.IndexFunc(recording.Samples, func(sample Sample) bool { return sample.Class == "byte[]" })
	require.GreaterOrEqual(t, at, 0)
	sample := recording.Samples[at]
	assert.Equal(t, "pool-1-thread-3", sample.Thread)
	assert.Equal(t, []Frame{{"Leaks", "lambda$lookUp$2", 78}, {"Leaks$$Lambda", "apply", 0}, {"java.util.HashMap", "computeIfAbsent", 1220}, {"Leaks", "lookUp", 78}}, sample.Stack[:4])
	assert.Equal(t, []Link{
		{Class: "java.util.HashMap$Node", Field: "value"},
		{Class: "java.util.HashMap$Node[]"},
		{Class: "java.util.HashMap", Field: "table", Description: sample.Chain[2].Description},
		{Class: "java.lang.Class", Description: "Class Name: Leaks", Field: "CACHE", Static: true},
	}, sample.Chain[:4])
	assert.Equal(t, time.Date(2026, 11, 28, 13, 45, 0, 0, time.UTC), sample.Allocated.UTC().Truncate(time.Minute))
}

func TestReadAThread(t *testing.T) {
	recording, err := Read(recorded(t, "thread"))
	require.NoError(t, err)
	require.NotEmpty(t, recording.Samples)
	for _, sample := range recording.Samples {
		assert.Equal(t, "long[]", sample.Class)
		last := sample.Chain[len(sample.Chain)-1]
		assert.Equal(t, "java.lang.Thread", last.Class)
		assert.Equal(t, "threadLocals", last.Field)
		assert.Equal(t, "Thread Name: "+sample.Thread, last.Description)
		assert.Equal(t, "Threads", sample.Root.System)
	}
}

// A file has as many chunks as the recorder has begun.
func TestReadSeveralChunks(t *testing.T) {
	both, err := Read(append(recorded(t, "cache"), recorded(t, "thread")...))
	require.NoError(t, err)
	one, err := Read(recorded(t, "cache"))
	require.NoError(t, err)
	other, err := Read(recorded(t, "thread"))
	require.NoError(t, err)
	assert.Equal(t, append(one.Samples, other.Samples...), both.Samples)
}

// A file that is cut anywhere is refused.
func TestReadACutFile(t *testing.T) {
	file := recorded(t, "thread")
	for size := 0; size < len(file); size += 97 {
		_, err := Read(file[:size])
		require.Error(t, err, size)
	}
	_, err := Read(file[:len(file)-1])
	assert.ErrorContains(t, err, "it is cut")
}

// encoded is a chunk that is put together here.
type encoded struct{ bytes.Buffer }

func (e *encoded) integers(all ...int64) *encoded {
	for _, one := range all {
		rest := uint64(one)
		for i := 0; i < 8 && rest >= 0x80; i++ {
			e.WriteByte(byte(rest) | 0x80)
			rest >>= 7
		}
		e.WriteByte(byte(rest))
	}
	return e
}

func (e *encoded) text(text string) *encoded {
	e.WriteByte(stringUTF8)
	e.integers(int64(len(text)))
	e.WriteString(text)
	return e
}

// event adds an event of a type.
func (e *encoded) event(kind int64, content []byte) {
	body := new(encoded).integers(kind).Bytes()
	body = append(body, content...)
	const most = 0x7f // of a size of one byte
	if len(body)+1 <= most {
		e.integers(int64(len(body) + 1))
	} else {
		e.integers(int64(len(body) + 2))
	}
	e.Write(body)
}

// types are types by name, with pairs of a field and its type: "*" before the type is for a constant, "[]" for an array.
type types []struct {
	name   string
	fields []string
}

// metadata is their event. Their ids count from 100.
func (all types) metadata() []byte {
	strings := []string{""}
	index := func(text string) int64 {
		at := slices.Index(strings, text)
		if at < 0 {
			at = len(strings)
			strings = append(strings, text)
		}
		return int64(at)
	}
	tree := new(encoded)
	tree.integers(index("root"), 0, 1, index("metadata"), 0, int64(len(all)))
	for i, one := range all {
		tree.integers(index("class"), 2, index("name"), index(one.name), index("id"), index(number(100+i)), int64(len(one.fields)/2))
		for f := 0; f < len(one.fields); f += 2 {
			kind, constant := cutPrefix(one.fields[f+1], "*")
			kind, array := cutPrefix(kind, "[]")
			dimension, pool := "0", "false"
			if array {
				dimension = "1"
			}
			if constant {
				pool = "true"
			}
			of := slices.IndexFunc(all, func(other struct {
				name   string
				fields []string
			}) bool {
				return other.name == kind
			})
			tree.integers(index("field"), 4, index("name"), index(one.fields[f]), index("class"), index(number(100+of)), index("constantPool"), index(pool), index("dimension"), index(dimension), 0)
		}
	}
	body := new(encoded).integers(1, 2, 3, int64(len(strings)))
	for _, text := range strings {
		body.text(text)
	}
	return append(body.Bytes(), tree.Bytes()...)
}

func cutPrefix(text, prefix string) (string, bool) { return strings.CutPrefix(text, prefix) }

func number(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

// chunkOf is a chunk of these events with metadata.
func chunkOf(metadata, events []byte) []byte {
	described := new(encoded)
	described.event(typeMetadata, metadata)
	file := []byte("FLR\x00\x00\x02\x00\x01")
	for _, number := range []int{headerSize + len(events) + described.Len(), 0, headerSize + len(events), 1e18, 0, 1000, 1e9} {
		file = binary.BigEndian.AppendUint64(file, uint64(number))
	}
	file = append(file, 0, 0, 0, 1)
	file = append(file, events...)
	return append(file, described.Bytes()...)
}

// small are types as OpenJDK has them, as far as this needs them.
func small() types {
	return types{
		{"long", nil},
		{stringType, nil},
		{"jdk.types.Symbol", []string{"string", stringType}},
		{"java.lang.Class", []string{"name", "*jdk.types.Symbol"}},
		{"jdk.types.OldObject", []string{"type", "*java.lang.Class", "description", stringType, "referrer", "*jdk.types.Reference"}},
		{"jdk.types.Reference", []string{"object", "*jdk.types.OldObject"}},
		{sampleType, []string{"allocationTime", "long", "object", "*jdk.types.OldObject"}},
		{"jdk.GCHeapSummary", []string{"used", "long"}},
	}
}

// The ids of small.
const (
	idLong = 100 + iota
	idString
	idSymbol
	idClass
	idObject
	idReference
	idSample
	idOther
)

// pools is a checkpoint with constants: each is a type, a key and the bytes of its value.
func pools(constants ...[]byte) []byte {
	content := new(encoded).integers(1, 2, 0, 0, int64(len(constants)))
	for _, constant := range constants {
		content.Write(constant)
	}
	return content.Bytes()
}

func constantOf(class, key int64, value []byte) []byte {
	return append(new(encoded).integers(class, 1, key).Bytes(), value...)
}

// smallChunk has one sample, whose class has the bytes of a string as its name, and which holds itself.
func smallChunk(name []byte) []byte {
	events := new(encoded)
	events.event(typeCheckpoint, pools(
		constantOf(idString, 9, new(encoded).text("constant").Bytes()),
		constantOf(idSymbol, 5, name),
		constantOf(idClass, 4, new(encoded).integers(5).Bytes()),
		constantOf(idObject, 3, new(encoded).integers(4).text("a\nb").integers(2).Bytes()),
		constantOf(idReference, 2, new(encoded).integers(3).Bytes()),
	))
	events.event(idSample, new(encoded).integers(3000, 3).Bytes())
	events.event(idOther, new(encoded).integers(7).Bytes())
	return chunkOf(small().metadata(), events.Bytes())
}

func TestReadStrings(t *testing.T) {
	for name, test := range map[string]struct {
		stored []byte
		want   string
	}{
		"null":     {[]byte{stringNull}, ""},
		"empty":    {[]byte{stringEmpty}, ""},
		"constant": {[]byte{stringConstant, 9}, "constant"},
		"missing":  {[]byte{stringConstant, 8}, ""},
		"UTF-8":    {[]byte{stringUTF8, 2, 0xc3, 0xa4}, "ä"},
		"no UTF-8": {[]byte{stringUTF8, 2, 'x', 0xc3}, "x\uFFFD"},
		"UTF-16":   {[]byte{stringUTF16, 2, 'x', 0xe4, 0x01}, "xä"},
		"Latin-1":  {[]byte{stringLatin1, 2, 'x', 0xe4}, "xä"},
		"control":  {[]byte{stringLatin1, 2, 'x', 0x1b}, `x\x1b`},
	} {
		t.Run(name, func(t *testing.T) {
			recording, err := Read(smallChunk(test.stored))
			require.NoError(t, err)
			require.Len(t, recording.Samples, 1)
			sample := recording.Samples[0]
			assert.Equal(t, test.want, sample.Class)
			assert.Equal(t, time.Unix(1e9, 2000).UTC(), sample.Allocated.UTC())
			assert.Equal(t, map[string]int{"jdk.GCHeapSummary": 1}, recording.Others)
			assert.Len(t, sample.Chain, mostChain, "an object that holds itself")
			assert.Equal(t, Link{Class: test.want, Description: `a\nb`}, sample.Chain[0])
		})
	}
}

func TestReadWhatIsDamaged(t *testing.T) {
	whole := smallChunk([]byte{stringEmpty})
	changed := func(at int, bytes ...byte) []byte {
		file := slices.Clone(whole)
		copy(file[at:], bytes)
		return file
	}
	checkpoint := func(content []byte) []byte {
		events := new(encoded)
		events.event(typeCheckpoint, content)
		return chunkOf(small().metadata(), events.Bytes())
	}
	recursive := types{{stringType, nil}, {sampleType, []string{"self", sampleType}}}
	into := new(encoded)
	into.event(typeCheckpoint, pools(constantOf(101, 1, nil)))
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":               {nil, "no recording"},
		"another file":          {bytes.Repeat([]byte("x"), 100), "no recording"},
		"a version":             {changed(5, 9), "unknown version 9"},
		"a size":                {changed(8, 0xff), "it is cut"},
		"no size":               {changed(8, make([]byte, 8)...), "it is cut"},
		"a place":               {changed(24, 0xff), "its metadata is at byte"},
		"no compressed numbers": {changed(headerSize-1, 0), "not compressed"},
		"no clock":              {changed(56, make([]byte, 8)...), "its header is damaged"},
		"events without bytes":  {chunkOf(small().metadata(), make([]byte, 9)), "an event at byte 68 has 0 bytes"},
		"an unknown encoding":   {smallChunk([]byte{9}), "unknown encoding 9"},
		"an unknown type":       {checkpoint(pools(constantOf(999, 1, nil))), "the unknown type 999"},
		"constants that end":    {checkpoint([]byte{1, 2, 0, 0, 1, idString, 100}), ""},
		"types in each other":   {chunkOf(recursive.metadata(), into.Bytes()), "contain each other"},
		"a name without end":    {smallChunk(append(new(encoded).integers(stringUTF8, mostText+1).Bytes(), bytes.Repeat([]byte("x"), 20)...)), ""},
		"too many strings":      {chunkOf([]byte{1, 2, 3, 0xff, 0xff, 0xff, 0x7f}, nil), "its metadata has"},
		"a string that is none": {chunkOf([]byte{1, 2, 3, 1, stringEmpty, 7}, nil), "no string 7"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(test.file)
			assert.ErrorContains(t, err, test.want)
		})
	}
	_, err := Read(make([]byte, SizeLimit+1))
	assert.EqualError(t, err, "it has more than 16 MiB")
}

// Values of no bytes cost nothing to write: the work on them is bounded.
func TestReadWhatTakesTooMuchWork(t *testing.T) {
	hollow := types{{stringType, nil}, {"hollow", nil}, {sampleType, []string{"all", "[]hollow"}}}
	events := new(encoded)
	events.event(typeCheckpoint, pools(constantOf(102, 1, new(encoded).integers(1<<60).Bytes())))
	_, err := Read(chunkOf(hollow.metadata(), events.Bytes()))
	assert.ErrorIs(t, err, errBudget)
}

// long is an event of any size.
func long(kind int64, content []byte) []byte {
	body := append(new(encoded).integers(kind).Bytes(), content...)
	size := 1
	for len(new(encoded).integers(int64(len(body)+size)).Bytes()) > size {
		size++
	}
	return append(new(encoded).integers(int64(len(body)+size)).Bytes(), body...)
}

// hostile are chunks that would take much time or memory, by name.
func hostile() map[string][]byte {
	samples := func(chunk int, before []byte, fields ...int64) []byte {
		events := new(encoded)
		events.Write(before)
		for events.Len() < chunk {
			events.event(idSample, new(encoded).integers(fields...).Bytes())
		}
		return chunkOf(small().metadata(), events.Bytes())
	}
	constants := func(count int) []byte {
		content := new(encoded).integers(1, 2, 0, 0, 1, idString, int64(count))
		for key := range int64(count) {
			content.integers(key)
			content.WriteByte(stringEmpty)
		}
		return chunkOf(small().metadata(), long(typeCheckpoint, content.Bytes()))
	}
	latin := new(encoded)
	latin.WriteByte(stringLatin1)
	latin.integers(mostText)
	latin.Write(bytes.Repeat([]byte{0xe4}, mostText))
	ring := long(typeCheckpoint, pools(
		constantOf(idSymbol, 5, latin.Bytes()),
		constantOf(idClass, 4, new(encoded).integers(5).Bytes()),
		constantOf(idObject, 3, new(encoded).integers(4).text("a").integers(2).Bytes()),
		constantOf(idReference, 2, new(encoded).integers(3).Bytes()),
	))
	described := long(typeCheckpoint, pools(
		constantOf(idObject, 3, append(new(encoded).integers(0).Bytes(), append(latin.Bytes(), 2)...)),
		constantOf(idReference, 2, new(encoded).integers(3).Bytes()),
	))
	strings := new(encoded).integers(1, 2, 3, mostStrings)
	for range 200 {
		strings.Write(latin.Bytes())
	}
	elements := new(encoded).integers(1, 2, 3, 5).text("class").text("id").text("1").text("").text("root")
	elements.integers(4, 0, 1<<40)
	for elements.Len() < 2<<20 {
		elements.integers(0, 1, 1, 2, 0)
	}
	return map[string][]byte{
		"constants":          constants(1 << 20),
		"constants of many":  bytes.Repeat(constants(1<<16), 40),
		"chains":             samples(1<<20, ring, 3000, 3),
		"chains of many":     bytes.Repeat(samples(1<<17, ring, 3000, 3), 40),
		"descriptions":       samples(1<<20, described, 3000, 3),
		"strings":            chunkOf(strings.Bytes(), nil),
		"elements":           chunkOf(elements.Bytes(), nil),
		"samples of nothing": bytes.Repeat(samples(1<<16, nil, 3000, 9), 40),
		"empty chunks":       bytes.Repeat(chunkOf(types{}.metadata(), nil), 1<<16),
	}
}

// Whatever a file has, it is read within bounds, beside the file itself.
func TestReadWithinBounds(t *testing.T) {
	for name, file := range hostile() {
		t.Run(name, func(t *testing.T) {
			require.LessOrEqual(t, len(file), SizeLimit)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Read(file)
			runtime.ReadMemStats(&after)
			if err != nil {
				assert.ErrorIs(t, err, errBudget)
			}
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(48<<20), "bytes allocated in all")
		})
	}
}

func TestClassName(t *testing.T) {
	for internal, want := range map[string]string{
		"[I":                                    "int[]",
		"[[D":                                   "double[][]",
		"[Ljava.lang.String;":                   "java.lang.String[]",
		"[[Ljava/util/HashMap$Node;":            "java.util.HashMap$Node[][]",
		"java/lang/Object":                      "java.lang.Object",
		"int[]":                                 "int[]",
		"Leaks$$Lambda$14/0x0000000800c8a400":   "Leaks$$Lambda",
		"Leaks$$Lambda+0x0000000800c8a400":      "Leaks$$Lambda",
		"[LLeaks$$Lambda$14/0x0000000800c8a40;": "Leaks$$Lambda[]",
		"java.lang.invoke.LambdaForm$MH/0x0800": "java.lang.invoke.LambdaForm$MH",
		"[":                                     "[]",
		"":                                      "",
		"a\x1bb":                                `a\x1bb`,
	} {
		assert.Equal(t, want, ClassName(internal), internal)
	}
	assert.LessOrEqual(t, len(ClassName(strings.Repeat("[", 1<<16)+strings.Repeat("x", 1<<16))), mostName+3)
}

func FuzzRead(f *testing.F) {
	f.Add(recorded(f, "cache"))
	f.Add(recorded(f, "thread"))
	f.Add(smallChunk([]byte{stringConstant, 9}))
	f.Add(smallChunk([]byte{stringUTF16, 2, 'x', 0xe4, 0x01}))
	f.Fuzz(func(t *testing.T, file []byte) {
		little := wholeBudget()
		little.work = 1 << 18 // and it goes on
		recording, err := read(file, little)
		if err != nil {
			assert.Empty(t, recording.Samples)
			return
		}
		assert.LessOrEqual(t, len(recording.Samples), mostSamples)
		for _, sample := range recording.Samples {
			assert.LessOrEqual(t, len(sample.Chain), mostChain)
			assert.NotContains(t, sample.Class, "\n")
		}
	})
}
