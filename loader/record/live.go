package record

// Live is how live memory was read.
type Live struct {
	Kind                       string   `json:"kind"`
	Said                       []string `json:"said"`
	StoppedSecondsPerIteration float64  `json:"stopped_seconds_per_iteration"`
	RateChange                 float64  `json:"rate_change"`
	Failed                     string   `json:"failed,omitempty"`
}
