package lab

import (
	"slices"

	"leaklab/loader/memory"
)

// Turnover is what became of a server's processes in an iteration, and in the rest before it.
type Turnover struct {
	// Restarted is true if no process is left that listened before, nor a master of those that listen: a supervisor has
	// started the server anew, or it has replaced its program. Some of what was measured in the iteration is of the old one.
	Restarted bool
	// Replaced is how many processes have ended and were replaced by others that run the same program, while one that
	// listens goes on, or one that has forked those that listen: as a master replaces its workers.
	Replaced int
}

// compare sets the turnover since the end reading of the iteration before, or since the start reading of the first. Where
// the processes were not known then, it is since they last were.
func (i *Iteration) compare(before Iteration) {
	last := before.members
	if last == nil {
		last = i.Start.Members
	}
	if i.members = i.End.Members; i.members == nil {
		i.members = last
		return
	}
	if last != nil {
		i.Turnover = turnoverOf(last, i.members)
	}
}

// turnoverOf compares the processes at two moments.
func turnoverOf(before, after []memory.Member) *Turnover {
	ended := missing(before, after)
	stays := slices.ContainsFunc(before, func(m memory.Member) bool {
		return !slices.ContainsFunc(ended, m.Is) && (m.Listens || forksListeners(m, before) && forksListeners(m, after))
	})
	if !stays {
		return &Turnover{Restarted: true}
	}
	serving := make(map[string]bool) // programs that listen
	for _, m := range before {
		serving[m.Program] = serving[m.Program] || m.Listens
	}
	replaced := 0
	for program, listens := range serving {
		if listens {
			replaced += min(count(ended, program), count(missing(after, before), program))
		}
	}
	return &Turnover{Replaced: replaced}
}

// forksListeners is true if a process that listens was forked by master, or by the same one as master. Only forks have the
// same layout, which a supervisor and the servers that it executes have not.
func forksListeners(master memory.Member, processes []memory.Member) bool {
	return master.Layout != [3]uint64{} && slices.ContainsFunc(processes, func(m memory.Member) bool {
		return m.Listens && m.Program == master.Program && m.Layout == master.Layout
	})
}

// missing returns the processes that are not among the others.
func missing(processes, others []memory.Member) []memory.Member {
	return slices.DeleteFunc(slices.Clone(processes), func(m memory.Member) bool { return slices.ContainsFunc(others, m.Is) })
}

// count is how many of the processes run a program.
func count(processes []memory.Member, program string) int {
	n := 0
	for _, m := range processes {
		if m.Program == program {
			n++
		}
	}
	return n
}
