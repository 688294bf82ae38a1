package load

import "time"

// Burst is the state of one burst of load.
type Burst struct {
	Number    int       // counted from 1; 0 before the first burst
	StartedAt time.Time // zero before the first burst
	Active    bool      // the load is running
	Requests  uint64    // answered since StartedAt, whatever the status
}

// StartBurst records that the burst of the given number, counted from 1, started at a time.
func (m *Meter) StartBurst(number int, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.burst = Burst{Number: number, StartedAt: at, Active: true}
	m.beforeBurst = m.requests()
}

// EndBurst records that the load of the current burst is over. Its number and its requests stay readable.
func (m *Meter) EndBurst() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.burst.Active = false
}

// Burst returns the state of the burst that started last, with the requests answered until now; the zero Burst before
// the first one.
func (m *Meter) Burst() Burst {
	m.mu.Lock()
	defer m.mu.Unlock()
	burst := m.burst
	if burst.Number == 0 {
		return burst
	}
	burst.Requests = m.requests() - m.beforeBurst
	return burst
}
