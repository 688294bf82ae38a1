//go:build !linux

package live

import "errors"

// residentIn fails: only Linux tells which pages are in RAM.
func residentIn(int, []addressRange, bool) (mappedPages, error) {
	return mappedPages{}, errors.New("only Linux tells which pages are in RAM")
}
