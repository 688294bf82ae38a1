package memory

import (
	"os"

	"leaklab/loader/kernel"
)

// programs counts how often processes replace their program (execve), which their start times and, without randomisation of
// the address space, their layout do not tell.
type programs map[int]*program

// program is that of a process. An open /proc/PID/maps stays with the address space that it was opened for: once the
// process has replaced it, nothing can be read there any more.
type program struct {
	started uint64 // as in Member
	maps    *os.File
	execs   int
}

// count sets Execs of the members, and forgets the processes that are not among them.
func (p programs) count(all []Member) {
	stay := make(map[int]bool, len(all))
	for n, m := range all {
		stay[m.PID] = true
		known := p[m.PID]
		if known != nil && known.started != m.Started {
			p.forget(m.PID)
			known = nil
		}
		if known == nil && len(p) < MostPrograms {
			known = &program{started: m.Started}
			p[m.PID] = known
		}
		if known != nil {
			known.look(m.PID)
			all[n].Execs = known.execs
		}
	}
	for pid := range p {
		if !stay[pid] {
			p.forget(pid)
		}
	}
}

func (p programs) forget(pid int) {
	_ = p[pid].maps.Close()
	delete(p, pid)
}

// openProgram is nil if the mappings of the process may not be seen, or if it has none.
func openProgram(pid int) *os.File {
	maps, err := os.Open(kernel.Path(pid, "maps"))
	if err != nil || !isMapped(maps) {
		_ = maps.Close()
		return nil
	}
	return maps
}

// look counts if the process has another program than at the last look. It does not while neither can be seen, as of a
// zombie.
func (p *program) look(pid int) {
	if p.maps != nil && isMapped(p.maps) {
		return
	}
	next := openProgram(pid)
	if p.maps != nil && next != nil {
		p.execs++
		_ = p.maps.Close()
	}
	if next != nil {
		p.maps = next
	}
}

// isMapped is true if maps tells a mapping.
func isMapped(maps *os.File) bool {
	_, err := maps.ReadAt(make([]byte, 1), 0)
	return err == nil
}
