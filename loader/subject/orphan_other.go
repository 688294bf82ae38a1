//go:build !linux

package subject

import "github.com/shirou/gopsutil/v4/process"

// AdoptsOrphans is true if Follow can tell what the server has put into the background.
const AdoptsOrphans = false

// adoptOrphans does nothing: process 1 adopts orphans here.
func adoptOrphans() {}

// reapOrphans does nothing: process 1 does.
func reapOrphans(<-chan struct{}) {}

// reapGroup does nothing: process 1 reaps orphans.
func reapGroup(int) {}

// ancestry is 0: orphans cannot be told from other processes here.
func ancestry(int) int { return 0 }

// ownChildren is empty: orphans do not become children of this program here.
func ownChildren() []int { return nil }

// hasLeftSession is false: there are no orphans to tell from other children here.
func hasLeftSession(int) bool { return false }

// startOf is when a process started, in milliseconds since 1970. It fails if the process has ended.
func startOf(pid int) (uint64, error) {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return 0, err
	}
	started, err := p.CreateTime()
	return uint64(started), err
}
