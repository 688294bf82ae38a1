package subject

import (
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// Uptime is how long the process has been running, in whole seconds; 0 if unknown.
func Uptime(pid int) time.Duration {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return 0
	}
	created, err := p.CreateTime() // in milliseconds
	if err != nil {
		return 0
	}
	return time.Since(time.UnixMilli(created)).Round(time.Second)
}
