package run

import (
	"fmt"
	"time"

	"leaklab/loader/config"
	"leaklab/loader/live"
	"leaklab/loader/target"
	"leaklab/loader/verdict"
)

// The idle times that SETTLE=auto and RELEASE=auto stand for, unless the server gives memory back later.
const (
	usualSettle  = 500 * time.Millisecond
	usualRelease = 5 * time.Second
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
	why        string        // the allocator for which they are longer than usual; empty if they are not
}

// rests are those that suit servers with these allocators, as far as the settings leave it open. Loaders that begin
// together settle as long as each other.
func (p *plan) rests(allocators []live.Allocator) rests {
	r := rests{settle: p.settle.length, release: p.release.length}
	for _, a := range allocators {
		if more := a.Settle - r.settle; p.settle.auto && p.align == 0 && more > r.settleMore {
			r.settleMore, r.why = more, a.Name
		}
		if p.release.auto && a.Rest > r.release {
			r.release, r.why = a.Rest, a.Name
		}
	}
	return r
}

// String tells them for the block at the top.
func (r rests) String() string {
	text := fmt.Sprintf("%s before each reading", r.settle)
	if r.settleMore > 0 {
		text = fmt.Sprintf("%s before each load, %s after it", r.settle, r.settle+r.settleMore)
	}
	if r.release > 0 {
		text += fmt.Sprintf(", %s of rest in the end", r.release)
	}
	if r.why != "" {
		text += fmt.Sprintf(" (%s gives memory back late)", r.why)
	}
	return text
}

// chooseRests sets the idle times of the run, once its servers have answered.
func (s *session) chooseRests() {
	all := allocators(s.target)
	if s.baseline != nil {
		all = append(all, allocators(s.baseline.target)...)
	}
	s.rests = s.plan.rests(all)
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
