package live

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"leaklab/loader/jfr"
	"leaklab/loader/memory"
	"leaklab/loader/text"
)

const (
	// jvmNamingLimit is how long starting or ending a recording may take: the JVM loads its recorder in about 3 s on a busy
	// machine, and stands still while it searches for what keeps the objects.
	jvmNamingLimit = time.Minute
	// jvmStopLimit is how long ending a recording may take in vain.
	jvmStopLimit = 10 * time.Second
	// recordingLife is how long a recording lives that this program could not end, since it was killed.
	recordingLife = "1h"
	// recordingSettings is the file with recordingEvents, in the folder of a recording.
	recordingSettings = "settings.jfc"
	directBuffer      = "java.nio.DirectByteBuffer"
)

// recordingEvents has JDK Flight Recorder sample objects that live long, with the stack that allocates them, and nothing else.
// The cutoff bounds how long the JVM stands still while it searches for what keeps them. JFR.dump path-to-gc-roots=true would
// search without a bound.
const recordingEvents = `<?xml version="1.0" encoding="UTF-8"?>
<configuration version="2.0" label="leaklab">
  <event name="jdk.OldObjectSample">
    <setting name="enabled">true</setting>
    <setting name="stackTrace">true</setting>
    <setting name="cutoff">20 s</setting>
  </event>
</configuration>
`

// flightRecording is a recording of JDK Flight Recorder that runs in a JVM. Its folder is in the JVM's /tmp.
type flightRecording struct {
	jvm     *hotSpot
	name    string
	started bool
	began   time.Time // objects from before do not count
	before  buffers
	ratios  heapRatios
	rest    func() // ends collectOften; nil before it has begun
}

// buffers are the direct buffers of a JVM.
type buffers struct {
	objects int64
	bytes   int64 // that they take outside the heap
	known   bool  // the JVM tells bytes
}

// name is namer's. The objects of one iteration are sampled by JDK Flight Recorder.
func (h *hotSpot) name(ctx context.Context, save Save) (func(context.Context) (Naming, error), error) {
	if !h.records {
		return nil, errors.New("it has no JDK Flight Recorder, which Java 11 and later have")
	}
	starting, cancel := context.WithTimeout(ctx, jvmNamingLimit)
	defer cancel()
	recording := &flightRecording{jvm: h, name: fmt.Sprintf("leaklab-%d-%s", h.attach.process.PID, rand.Text()[:12])}
	h.recording = recording
	if err := recording.start(starting); err != nil {
		return nil, h.attach.ended(cmp.Or(err, recording.stop(context.WithoutCancel(ctx))))
	}
	return func(ctx context.Context) (Naming, error) {
		ending, cancel := context.WithTimeout(ctx, jvmNamingLimit)
		defer cancel()
		naming, err := recording.end(ending, save)
		return naming, h.attach.ended(cmp.Or(err, recording.stop(context.WithoutCancel(ctx))))
	}, nil
}

// start starts the recording, and collects often from then on.
func (f *flightRecording) start(ctx context.Context) error {
	if err := f.inFolder(func(tmp *os.Root) error {
		if err := tmp.Mkdir(f.name, 0o700); err != nil {
			return err
		}
		return tmp.WriteFile(f.name+"/"+recordingSettings, []byte(recordingEvents), 0o600)
	}); err != nil {
		return fmt.Errorf("its /tmp cannot be written: %w", err)
	}
	f.started = true // unless it is refused: the answer may not come
	answer, err := f.jvm.ask(ctx, fmt.Sprintf("JFR.start name=%s settings=/tmp/%s/%s duration=%s", f.name, f.name, recordingSettings, recordingLife))
	if err != nil {
		return err
	}
	if f.started = strings.Contains(answer, "Started recording"); !f.started {
		return notRecorded(answer)
	}
	if f.ratios, err = f.jvm.ratios(ctx); err != nil {
		return err
	}
	if f.before, err = f.jvm.buffers(ctx); err != nil {
		return err
	}
	f.began = time.Now()
	collecting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.collectOften(collecting)
	}()
	f.rest = func() { cancel(); <-done }
	return nil
}

// notRecorded is why no recording starts, by the answer to JFR.start, and what to do about it.
func notRecorded(answer string) error {
	switch {
	case strings.Contains(answer, "Module jdk.jfr not found"):
		return errors.New("its Java has no JDK Flight Recorder: jlink --add-modules jdk.jfr adds it")
	case strings.Contains(answer, "Flight Recorder is disabled"):
		return errors.New("-XX:-FlightRecorder turns JDK Flight Recorder off")
	}
	return fmt.Errorf("JDK Flight Recorder does not start: %s", answerLine(answer))
}

// inFolder runs do with the JVM's /tmp, as its user.
func (f *flightRecording) inFolder(do func(tmp *os.Root) error) error {
	root, err := os.OpenRoot(f.jvm.attach.process.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	tmp, err := root.OpenRoot("tmp")
	if err != nil {
		return err
	}
	defer tmp.Close()
	return f.jvm.attach.asItsUser(func() error { return do(tmp) })
}

// end collects, so that what is sampled is live, and reads the samples.
func (f *flightRecording) end(ctx context.Context, save Save) (Naming, error) {
	f.rest()
	after, err := f.jvm.buffers(ctx)
	if err != nil {
		return Naming{}, err
	}
	file, recording, err := f.dump(ctx)
	if err != nil {
		return Naming{}, err
	}
	naming := Naming{Sites: sampledSites(withMakers(slices.DeleteFunc(recording.Samples, func(sample jfr.Sample) bool {
		return sample.Allocated.Before(f.began) || ofTheRecorder(sample)
	})))}
	naming.Sites = append(naming.Sites, outsideOf(naming.Sites, f.before, after)...)
	if len(recording.Others) > 0 { // a recording of the user may have the environment, with its secrets
		return naming, nil
	}
	name := fmt.Sprintf("old-objects-%d.jfr", f.jvm.attach.process.PID)
	if err := save(name, func(to io.Writer) error {
		_, err := io.Copy(to, bytes.NewReader(file))
		return err
	}); err != nil {
		return naming, err
	}
	naming.Files = []ProfileFile{{Name: name, Open: "jfr print --events OldObjectSample " + name}}
	return naming, nil
}

// dump has the recording written, and reads it. Compilers at work hold objects, such as those of static fields, and may be found
// as what keeps them: it is written again then, three times at most.
func (f *flightRecording) dump(ctx context.Context) ([]byte, jfr.Recording, error) {
	const dumps = 3
	for n := 1; ; n++ {
		if err := f.jvm.attach.awaitIdle(ctx); err != nil {
			return nil, jfr.Recording{}, err
		}
		name := fmt.Sprintf("%s/%d.jfr", f.name, n)
		answer, err := f.jvm.ask(ctx, fmt.Sprintf("JFR.dump name=%s filename=/tmp/%s", f.name, name))
		if err != nil {
			return nil, jfr.Recording{}, err
		}
		if !strings.Contains(answer, "Dumped recording") {
			return nil, jfr.Recording{}, fmt.Errorf("JDK Flight Recorder writes no file: %s", answerLine(answer))
		}
		var file []byte
		err = f.inFolder(func(tmp *os.Root) (err error) {
			file, err = readRegular(tmp, name)
			return err
		})
		var recording jfr.Recording
		if err == nil {
			recording, err = jfr.Read(file)
		}
		if err != nil {
			return nil, jfr.Recording{}, fmt.Errorf("the file of JDK Flight Recorder: %w", err)
		}
		if n == dumps || !hiddenByCompiler(recording.Samples) {
			return file, recording, nil
		}
	}
}

// readRegular reads a file of at most jfr.SizeLimit bytes. A link out of the folder is not followed, and nothing waits for a
// pipe.
func readRegular(folder *os.Root, name string) ([]byte, error) {
	file, err := folder.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case info.Size() > jfr.SizeLimit:
		return nil, fmt.Errorf("it has more than %d MiB", jfr.SizeLimit>>20)
	}
	content := make([]byte, info.Size()) // at once: io.ReadAll takes several times as much
	_, err = io.ReadFull(file, content)
	return content, err
}

// stop stops the recording, and removes its folder. It does so once.
func (f *flightRecording) stop(ctx context.Context) error {
	if f.jvm.recording != f {
		return nil
	}
	f.jvm.recording = nil
	if f.rest != nil {
		f.rest()
	}
	ctx, cancel := context.WithTimeout(ctx, jvmStopLimit)
	defer cancel()
	var err error
	if f.started {
		_, err = f.jvm.ask(ctx, "JFR.stop name="+f.name)
	}
	removed := f.inFolder(func(tmp *os.Root) error { return tmp.RemoveAll(f.name) })
	return errors.Join(err, removed)
}

// ofTheRecorder tells if a sample was allocated for this program's requests.
func ofTheRecorder(sample jfr.Sample) bool {
	return sample.Thread == "Attach Listener" || slices.ContainsFunc(sample.Stack, func(frame jfr.Frame) bool { return strings.HasPrefix(frame.Class, "jdk.jfr.") })
}

// outsideOf is the site of what direct buffers have taken outside the heap, in bytes; none if the JVM does not tell, or if
// there are not more. It is where a direct buffer is allocated, if one was sampled.
func outsideOf(sampled []memory.Site, before, after buffers) []memory.Site {
	objects, bytes := after.objects-before.objects, after.bytes-before.bytes
	if !before.known || !after.known || objects <= 0 || bytes <= 0 {
		return nil
	}
	site := memory.Site{}
	if at := slices.IndexFunc(sampled, func(site memory.Site) bool { return site.Class == directBuffer }); at >= 0 {
		site = sampled[at]
	}
	site.Class, site.Bytes, site.Objects, site.Outside = directBuffer+", outside the heap", bytes, objects, true
	return []memory.Site{site}
}

// buffers collects, and tells what direct buffers there are.
func (h *hotSpot) buffers(ctx context.Context) (buffers, error) {
	var read memory.Live
	if err := h.collect(ctx, &read); err != nil {
		return buffers{}, err
	}
	text, err := h.ask(ctx, nativeMemory)
	if err != nil {
		return buffers{}, err
	}
	var found buffers
	found.bytes, found.known = parseDirect(text)
	if at := slices.IndexFunc(read.Sites, func(site memory.Site) bool { return site.Class == directBuffer }); at >= 0 {
		found.objects = read.Sites[at].Objects
	}
	return found, nil
}

// freeRatio is a line of the answer to VM.flags -all: "uintx MaxHeapFreeRatio   = 70   {manageable} {default}".
var freeRatio = regexp.MustCompile(`\b(M(?:in|ax)HeapFreeRatio)\s+=\s+(\d{1,3})\s+\{manageable\}`)

// heapRatios are the limits of the free part of a heap after a full collection, in percent, as they are set.
type heapRatios struct{ least, most string }

// ratios are empty for a heap that is not made small.
func (h *hotSpot) ratios(ctx context.Context) (heapRatios, error) {
	if !h.shrinks() {
		return heapRatios{}, nil
	}
	flags, err := h.ask(ctx, "VM.flags -all")
	if err != nil {
		return heapRatios{}, err
	}
	found := make(map[string]string)
	for _, match := range freeRatio.FindAllStringSubmatch(flags, -1) {
		found[match[1]] = match[2]
	}
	return heapRatios{least: found["MinHeapFreeRatio"], most: found["MaxHeapFreeRatio"]}, nil
}

// smallHeap forces a full collection that leaves the heap little larger than what is live. The flags for it are set for that
// collection alone. The least ratio is never above the most.
func (h *hotSpot) smallHeap(ctx context.Context, ratios heapRatios) (err error) {
	defer func() {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), jvmStopLimit)
		defer cancel()
		for _, set := range []string{"MaxHeapFreeRatio " + ratios.most, "MinHeapFreeRatio " + ratios.least} {
			_, failed := h.ask(back, "VM.set_flag "+set)
			err = errors.Join(err, failed)
		}
	}()
	for _, set := range []string{"MinHeapFreeRatio 0", "MaxHeapFreeRatio 1"} {
		if _, err = h.ask(ctx, "VM.set_flag "+set); err != nil {
			return err
		}
	}
	return h.histogram(ctx, &memory.Live{})
}

// collectOften forces collections until the context ends. Objects are sampled where a thread takes a new buffer to allocate in
// (TLAB), and 256 samples are kept, the large ones rather: a collection makes room of those whose objects are garbage. G1 makes
// its heap small meanwhile, if the JVM sizes the buffers: they are a share of the young generation. The program stands still for
// half of the time at most. It ends early where a collection takes more than a second.
func (f *flightRecording) collectOften(ctx context.Context) {
	const leastRest, tooLong = 20 * time.Millisecond, time.Second
	for {
		began := time.Now()
		err := f.jvm.collectNow(ctx, f.ratios)
		if took := time.Since(began); err != nil || took > tooLong || pause(ctx, max(leastRest, took)) != nil {
			return
		}
	}
}

// collectNow forces a collection, which leaves the heap small if ratios are known.
func (h *hotSpot) collectNow(ctx context.Context, ratios heapRatios) error {
	switch {
	case ratios.least != "" && ratios.most != "":
		return h.smallHeap(ctx, ratios)
	case h.concurrent:
		_, err := h.ask(ctx, gcRun)
		return err
	default:
		return h.histogram(ctx, &memory.Live{})
	}
}

// answerLine is the first line of a JVM's answer, of at most 200 printable characters.
func answerLine(answer string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(answer), "\n")
	return text.Printable(text.Clip(strings.TrimSpace(line), 200))
}
