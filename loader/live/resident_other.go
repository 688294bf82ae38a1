//go:build !linux

package live

import "errors"

// residentIn fails: only Linux tells which pages are in RAM.
func residentIn(int, []addressRange, bool) (held, shared int64, err error) {
	return 0, 0, errors.New("only Linux tells which pages are in RAM")
}
