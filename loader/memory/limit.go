package memory

import "github.com/shirou/gopsutil/v4/mem"

// Limit is how much memory a server may use.
type Limit struct {
	Bytes int64  // 0 if unknown
	Of    string // what sets it: "the machine" or "its cgroup"
}

func machineLimit() Limit {
	memory, err := mem.VirtualMemory()
	if err != nil {
		return Limit{}
	}
	return Limit{Bytes: int64(memory.Total), Of: "the machine"}
}
