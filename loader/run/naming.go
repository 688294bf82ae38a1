package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"leaklab/loader/judge"
	"leaklab/loader/lab"
	"leaklab/loader/live"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/text"
)

// sitesPlan is what is named of live memory that grows.
type sitesPlan struct {
	off      bool
	snapshot bool // of the heap of Node
}

// Why nothing, or not more, is named, each with what to do about it.
const (
	namingIsOff       = "SITES=off; SITES=auto names them"
	namingInterrupted = "the run was interrupted before one more iteration, which names it, was over"
	namingOfAligned   = "one more iteration, which names it, needs a loader on its own (ALIGN=false)"
	namingEndedEarly  = "the run ended before one more iteration, which names it"
	namingUnwritten   = "the report could not be written before one more iteration, which names it"
)

const (
	// mostExtra is how many more iterations of load there are at most, and leastExtra how long the second is at least.
	mostExtra  = 2
	leastExtra = 300 * time.Millisecond
	// mostOpenings is how often a little load opens connections before.
	mostOpenings = 5
	// enoughRequests is how many requests name what is kept, where a runtime samples it.
	enoughRequests = 8_000
	// mostNamings is how often what is kept is named at most, if the sample held none of it.
	mostNamings = 3
)

// finishLimit is how long a server may take to be as it was before, after a load that failed or was interrupted.
const finishLimit = 20 * time.Second

// name has the server name what is kept of one more iteration of load, if its live memory grows, and records the sites. closed
// is true if connections that are kept were closed since the last iteration, early is why the run ended early, or nil. What
// was measured is on disk by then: a failure is told, and changes nothing else.
func (s *session) name(ctx context.Context, closed bool, early error) {
	naming, unnamed := s.naming(ctx, closed, early)
	s.record.Sites = s.judge.Sites(naming, unnamed)
	s.keepProfiles()
	if s.baseline != nil {
		off := ""
		if s.plan.sites.off {
			off = namingIsOff
		}
		s.record.Baseline.Sites = s.baseline.paired.Sites(off)
	}
}

// naming is what one more iteration leaves behind; nil, with why, if there is none. Both are empty if the runtime tells
// nothing beyond what it has told with live memory.
func (s *session) naming(ctx context.Context, closed bool, early error) (naming *judge.Naming, unnamed string) {
	namer, names := s.live.source.(live.Namer)
	switch {
	case !s.judge.Grows():
		return nil, ""
	case s.plan.sites.off:
		return nil, namingIsOff
	case !names || !namer.Names():
		return nil, ""
	case interrupted(ctx):
		return nil, namingInterrupted
	case early != nil:
		return nil, namingEndedEarly
	case s.plan.align > 0:
		return nil, namingOfAligned
	}
	s.record.Sites = s.judge.Sites(nil, namingInterrupted) // what is left of a loader that is killed
	if s.write() != nil {
		return nil, namingUnwritten // the end of the run tells why
	}
	naming, err := s.nameExtra(ctx, namer, closed, s.record.Verdict.Headline()+": one more iteration of load, which is not judged, names what is kept")
	switch {
	case err == nil:
		return s.nameUnseen(ctx, namer, naming), ""
	case errors.Is(err, live.ErrNone):
		return nil, ""
	case interrupted(ctx):
		note(s.screen.Notes, "loader: nothing more is named:", errors.New(namingInterrupted))
		return nil, namingInterrupted
	}
	unnamed = inOneLine(err)
	note(s.screen.Notes, "loader: nothing more is named:", unnamed)
	return nil, unnamed
}

// nameUnseen names again while the sample held nothing of what grows most. What it has is kept if that fails.
func (s *session) nameUnseen(ctx context.Context, namer live.Namer, naming *judge.Naming) *judge.Naming {
	for n := 1; n < mostNamings && s.judge.Unseen(naming); n++ {
		again, err := s.nameExtra(ctx, namer, false, "the sample held nothing of what grows most: one more iteration of load names it")
		if err != nil {
			note(s.screen.Notes, "loader: nothing more is named:", inOneLine(err))
			return naming
		}
		naming = again
	}
	return naming
}

// inOneLine is the text of an error that has a line for each process.
func inOneLine(err error) string {
	return strings.ReplaceAll(text.Printable(err.Error()), "\n", "; ")
}

// interrupted tells if the user has ended the run, and not a server that is gone.
func interrupted(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), memory.ErrGone)
}

// nameExtra makes one more iteration of load, with a note that tells why, and has the server name what is kept of it.
// Connections that were closed are opened again before: what the server keeps for them is not kept for each request. The server
// is left as it was, also if the load fails or is interrupted.
func (s *session) nameExtra(ctx context.Context, namer live.Namer, closed bool, why string) (*judge.Naming, error) {
	if closed && s.reopen != nil {
		if err := s.openAgain(ctx); err != nil {
			return nil, err
		}
	}
	finish, err := namer.Name(ctx, s.saveProfile)
	if err != nil {
		return nil, err
	}
	s.whole = true
	fmt.Fprintln(s.screen.Notes, "loader:", why)
	requests, failed := s.extraLoad(ctx)
	if failed != nil || ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), finishLimit)
		defer cancel()
	}
	named, err := finish(ctx)
	if err := errors.Join(failed, err); err != nil {
		return nil, err
	}
	naming := &judge.Naming{Sites: named.Sites, SampledEvery: named.SampledEvery, Requests: requests}
	for _, file := range named.Files {
		naming.Files = append(naming.Files, record.ProfileFile{Name: text.Printable(file.Name), Open: text.Printable(file.Open)})
	}
	return naming, nil
}

// openAgain opens the connections that are kept, by a little load. It may end before the turn of some workers has come, and a
// server that accepts few at a time lets others time out.
func (s *session) openAgain(ctx context.Context) error {
	before := s.lab
	before.Server.Generate = s.reopen
	for range mostOpenings {
		opening, err := lab.Extra(ctx, before, s.last)
		if err != nil {
			return err
		}
		if opening.Load.ErrorCount() == 0 && !s.connections.missing() {
			break
		}
	}
	return nil
}

// extraLoad makes the load of one more iteration, and returns how many requests that had. If they are few, a second load
// follows. Where its length is chosen, it is as long as it takes to have enough, but not longer than the first.
func (s *session) extraLoad(ctx context.Context) (requests uint64, err error) {
	defer func() { s.shortened = 0 }()
	last := s.last
	for range mostExtra {
		extra, err := lab.Extra(ctx, s.lab, last)
		if err != nil {
			return 0, err
		}
		requests += extra.Requests
		if last = extra; requests >= enoughRequests || extra.Uncounted {
			break
		}
		missing := float64(enoughRequests-requests) / float64(max(1, requests))
		usual := s.durationOf(extra.Number)
		s.shortened = min(usual, max(leastExtra, time.Duration(missing*float64(usual))))
	}
	return requests, nil
}

// saveProfile is live.Save: it writes a file into the folder of the run, complete or not at all. A snapshot holds all texts
// of the server, secrets as well.
func (s *session) saveProfile(name string, write func(io.Writer) error) error {
	if name != filepath.Base(name) {
		return fmt.Errorf("%q: expected the name of a file", name)
	}
	mode := fs.FileMode(0o644)
	if strings.HasSuffix(name, ".heapsnapshot") {
		mode = 0o600
	}
	return record.ReplaceLarge(s.folder, name, mode, write)
}
