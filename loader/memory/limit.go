package memory

import "github.com/shirou/gopsutil/v4/mem"

// Limit is how much memory a server may take.
type Limit struct {
	Bytes int64  // 0 if it is not known
	Of    string // whose limit it is
}

func machineLimit() Limit {
	memory, err := mem.VirtualMemory()
	if err != nil {
		return Limit{}
	}
	return Limit{Bytes: int64(memory.Total), Of: "the machine"}
}
