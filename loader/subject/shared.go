package subject

import (
	"errors"
	"os"

	"github.com/shirou/gopsutil/v4/process"
)

// FindShared returns the process that shares the PID namespace of this one, as the server's container does in the lab. Of
// those that were put there from outside it is the oldest, apart from process 1, which is there to hold the namespace,
// and from this one: a health check comes and goes, and another loader has come later.
func FindShared() (int, error) {
	pids, err := process.Pids()
	if err != nil {
		return 0, err
	}
	oldest, since := 0, int64(0)
	for _, pid := range pids {
		p, err := process.NewProcess(pid)
		if err != nil || pid == 1 || int(pid) == os.Getpid() || parentOf(int(pid)) != 0 {
			continue
		}
		created, err := p.CreateTime()
		if err != nil { // it has ended
			continue
		}
		if oldest == 0 || created < since {
			oldest, since = int(pid), created
		}
	}
	if oldest == 0 {
		return 0, errors.New("nobody shares the PID namespace of this program")
	}
	return oldest, nil
}
