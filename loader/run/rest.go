package run

import (
	"fmt"
	"time"

	"leaklab/loader/config"
	"leaklab/loader/lab"
	"leaklab/loader/live"
	"leaklab/loader/target"
	"leaklab/loader/verdict"
)

// The idle times that SETTLE=auto and RELEASE=auto stand for, unless the server gives memory back later.
const (
	usualSettle  = 500 * time.Millisecond
	liveSettle   = 200 * time.Millisecond // after each load, where live memory is read
	usualRelease = 5 * time.Second
)

// The rest of RELEASE=auto after a leak of live memory: long enough to show that what was kept expires, if it does so within
// a share of the time that it was seen to grow; then briefly without connections, to show what is freed with them.
const (
	shortestExpiry = 2 * time.Second
	longestExpiry  = 15 * time.Second
	expiryShare    = 4 // of the time
	afterClosing   = time.Second
)

// pause is an idle time that a setting gives, or that suits the server.
type pause struct {
	length time.Duration
	auto   bool // length is the usual one, and the server may want more
}

// pauseOf is that of a setting; usual is what auto stands for.
func pauseOf(setting config.Rest, usual time.Duration) pause {
	if setting == config.AutoRest {
		return pause{length: usual, auto: true}
	}
	return pause{length: time.Duration(setting)}
}

// rests are the idle times of a run.
type rests struct {
	settle     time.Duration // before each reading
	settleMore time.Duration // further, before each end reading
	release    time.Duration // after the last iteration
	sparing    bool          // release is spent only where it can change the verdict
	live       bool          // live memory is read
	twice      bool          // the server may rest with connections until that is read, then as long without them
	settleLive time.Duration // in place of settle, for as long as live memory is read; 0 if that makes no difference
	why        string        // the allocator for which they are longer than usual; empty if they are not
}

// rests are those that suit servers with these allocators, as far as the settings leave it open. Loaders that begin
// together settle as long as each other. readsLive is true if live memory is read. Two servers that are compared both rest.
func (p *plan) rests(allocators []live.Allocator, readsLive bool) rests {
	r := rests{
		settle: p.settle.length, release: p.release.length, sparing: p.release.auto && p.baseline == nil,
		live: readsLive, twice: readsLive && p.keep,
	}
	for _, a := range allocators {
		if more := a.Settle - r.settle; p.settle.auto && p.align == 0 && more > r.settleMore {
			r.settleMore, r.why = more, a.Name
		}
		if p.release.auto && a.Rest > r.release {
			r.release, r.why = a.Rest, a.Name
		}
	}
	if readsLive && p.auto && p.settle.auto && r.settleMore == 0 {
		r.settleLive = liveSettle
	}
	return r
}

// String tells them for the block at the top.
func (r rests) String() string {
	text := fmt.Sprintf("%s before each reading", r.settle)
	switch {
	case r.settleLive > 0:
		text = fmt.Sprintf("%s after each load", r.settleLive)
	case r.settleMore > 0:
		text = fmt.Sprintf("%s before each load, %s after it", r.settle, r.settle+r.settleMore)
	}
	switch {
	case r.sparing:
		text += fmt.Sprintf(", at most %s of rest in the end", r.longest())
	case r.release > 0 && r.twice:
		text += fmt.Sprintf(", %s of rest in the end, twice if connections are open", r.release)
	case r.release > 0:
		text += fmt.Sprintf(", %s of rest in the end", r.release)
	}
	if r.why != "" {
		text += fmt.Sprintf(" (%s gives memory back late)", r.why)
	}
	return text
}

// longest is the most that end and lab.AwaitRest make of a sparing rest.
func (r rests) longest() time.Duration {
	switch {
	case r.twice:
		return max(2*r.release, longestExpiry+afterClosing)
	case r.live:
		return max(r.release, longestExpiry)
	default:
		return r.release
	}
}

// settled is the idle time from a load to its end reading.
func (r rests) settled() time.Duration {
	if r.settleLive > 0 {
		return r.settleLive
	}
	return r.settle + r.settleMore
}

// end is how long the server rests after the last iteration. RELEASE=auto is spared where a reading at rest could not change
// the verdict v: one of no leak, or on too few readings. grew is the time from the first end reading to the last: what
// expires later than a share of it would look like a leak.
func (r rests) end(v verdict.Verdict, grew time.Duration) lab.RestLength {
	switch {
	case r.sparing && (v.Kind == verdict.NoLeak || !v.Estimated):
		return lab.RestLength{}
	case r.sparing && v.Kind == verdict.Leak && v.Of == verdict.Live:
		return lab.RestLength{Live: min(max(grew/expiryShare, shortestExpiry), longestExpiry), Total: afterClosing}
	default:
		return lab.RestLength{Live: r.release, Total: r.release}
	}
}

// chooseRests sets the idle times of the run, once its servers have answered.
func (s *session) chooseRests() {
	all := allocators(s.target)
	if s.baseline != nil {
		all = append(all, allocators(s.baseline.target)...)
	}
	s.rests = s.plan.rests(all, s.live.reads())
}

// allocators are those of a server, as far as its processes can be seen; that of the largest process comes first.
func allocators(server *target.Target) []live.Allocator {
	if server.PID == 0 {
		return nil
	}
	return live.Allocators(server.Processes())
}

// allocatorAtRest is what the verdict needs of the server's allocator.
func allocatorAtRest(server *target.Target) verdict.Allocator {
	all := allocators(server)
	if len(all) == 0 {
		return verdict.Allocator{}
	}
	return verdict.Allocator{Name: all[0].Name, AtRest: all[0].AtRest, Seconds: all[0].Rest.Seconds()}
}
