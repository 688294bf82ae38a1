package subject

import (
	"os"
	"strings"
)

// Tail returns the last lines of the file at path, at most count, out of its last 64 KiB; none if it is not readable.
func Tail(path string, count int) []string {
	const most = 64 << 10
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	start := max(0, info.Size()-most)
	end := make([]byte, info.Size()-start)
	n, _ := file.ReadAt(end, start)
	text := strings.TrimRight(string(end[:n]), "\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-count):]
}
