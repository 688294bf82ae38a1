//go:build !linux

package subject

import "errors"

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

// startOf fails: there are no orphans to follow here.
func startOf(int) (uint64, error) { return 0, errors.New("orphans are followed on Linux only") }
