package live

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Keeper is a Source whose readings come from profiles in the runtime's own format.
type Keeper interface {
	// Keep saves the profile of the newest reading of each process that has one. It returns those that were saved, also with
	// an error.
	Keep(save Save) ([]ProfileFile, error)
}

// keeper is an opened process with such a profile. It is Keeper's, for one process.
type keeper interface {
	keep(save Save) (ProfileFile, error)
}

// Keep is Keeper's.
func (t *Tree) Keep(save Save) ([]ProfileFile, error) {
	var files []ProfileFile
	var failed error
	asked := t.askable()
	for _, pid := range slices.Sorted(maps.Keys(asked)) {
		process, keeps := asked[pid].asked.(keeper)
		if !keeps {
			continue
		}
		file, err := process.keep(save)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s of process %d: %w", asked[pid].kind, pid, err))
			continue
		}
		files = append(files, file)
	}
	return files, failed
}
