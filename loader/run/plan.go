package run

import (
	"fmt"
	"time"

	"leaklab/loader/config"
	"leaklab/loader/external"
	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/reproduce"
	"leaklab/loader/subject"
	"leaklab/loader/target"
	"leaklab/loader/verdict"
)

// plan is what the settings say, translated for those who carry it out.
type plan struct {
	shapes      []string
	origin      reproduce.Origin
	command     []string // starts the server; nil if it runs already
	image       string   // of the server, if Compose runs one in place of the demo server
	request     request
	server      side
	baseline    *side // nil without one
	tries       int   // at most
	auto        bool  // it ends when it is decided
	growing     bool  // the load is short at first, and longer in each iteration, for as long as live memory is read
	settle      pause
	release     pause
	align       time.Duration // 0 for a loader on its own
	allowRemote bool
	keep        bool              // connections stay open from one iteration to the next
	tool        *external.Command // in place of the loader's load; nil for that
	live        livePlan
	sites       sitesPlan
	options     verdict.Options
	results     string
	hostResults string // what the host of a container calls results; empty without one
	metrics     metricsPlan
	grafana     string // its address; empty if there is none
	leak        string // of the demo server; empty if it is not set
}

// side is one of the servers that are loaded: the server or the baseline.
type side struct {
	target   target.Plan
	hostName string    // of the setting for its host
	portName string    // of the setting for its port
	load     load.Plan // but for the behaviour of the clients
	command  []string  // of the baseline, as it is written down
}

// metricsPlan is where the metrics of the loader are served, and those of the server are found.
type metricsPlan struct {
	address string        // host:port
	spare   string        // the same with any free port, if address is taken; empty if there is no choice
	wait    time.Duration // for the first scrape
	server  string        // METRICS_URL
	pprof   string        // PPROF_URL
}

// planOf translates the settings. command starts the server; nil if it runs already. exported are the variables that it
// inherits.
func planOf(cfg config.Config, command, exported []string) plan {
	inCompose := cfg.Host == "server" && (cfg.ServerPID == config.Shared || cfg.ServerPID == 1)
	p := plan{
		shapes: cfg.Shapes, origin: reproduce.OriginOf(command, inCompose, cfg.ServerImage), command: command, image: cfg.ServerImage,
		request: request{
			method: string(cfg.Method), path: string(cfg.RequestPath), headers: cfg.Headers, basicAuth: string(cfg.BasicAuth),
			body: cfg.Body, bodyFile: string(cfg.BodyFile), urlFile: string(cfg.URLFile), bodyBytes: int(cfg.BodyBytes),
			protocol: load.Protocol(cfg.Protocol), protoset: string(cfg.Protoset), unique: cfg.Unique,
		},
		server: sideOf(cfg), tries: cfg.Iterations(), auto: cfg.Tries == config.Auto,
		settle: pauseOf(cfg.Settle, usualSettle), release: pauseOf(cfg.Release, usualRelease), allowRemote: cfg.AllowRemote,
		keep:    cfg.Connections != config.Fresh,
		grafana: grafanaAddress(string(cfg.GrafanaURL)),
		options: verdict.Options{Tolerance: float64(cfg.Tolerance)}, results: string(cfg.Results), hostResults: string(cfg.HostResults), leak: cfg.Leak,
		metrics: metricsPlan{
			address: cfg.MetricsAddress(), spare: cfg.SpareMetricsAddress(), wait: time.Duration(cfg.ScrapeWait),
			server: string(cfg.MetricsURL), pprof: string(cfg.PprofURL),
		},
	}
	p.live = livePlanOf(string(cfg.Live), p.origin != reproduce.Attached)
	p.sites = sitesPlan{off: cfg.Sites == config.NoSites, snapshot: cfg.LiveSnapshot}
	if p.auto {
		p.options.MaxIterations = p.tries
	}
	p.growing = p.auto && cfg.Duration == config.AutoBurst && cfg.Requests == 0 && cfg.LoadCommand == nil
	if cfg.Align {
		p.align = lab.Period(p.settle.length, fixedDuration(cfg.Duration))
	}
	if cfg.LoadCommand != nil {
		p.tool = &external.Command{Words: external.Fill(cfg.LoadCommand, external.Values{
			Duration: fixedDuration(cfg.Duration), Workers: int(cfg.Workers), Requests: cfg.Requests, Rate: float64(cfg.Rate),
			URL: load.Protocol(cfg.Protocol).Scheme() + "://" + cfg.Address() + string(cfg.RequestPath),
		}), Limit: toolLimit(cfg.LoadCommand, fixedDuration(cfg.Duration)+time.Duration(cfg.Timeout))}
	}
	p.server.target.Command, p.server.target.Environment = command, environmentOf(p.server.target, command, exported, cfg.OfDemo())
	p.server.target.PID, p.server.target.Shared = max(0, int(cfg.ServerPID)), cfg.ServerPID == config.Shared
	p.server.target.Setting = fmt.Sprintf("SERVER_PID=\"%d\"", cfg.ServerPID)
	if p.server.target.Shared {
		p.server.target.Setting = `SERVER_PID="shared"`
	}
	if cfg.Baseline != nil {
		b := sideOf(cfg.OfBaseline())
		b.hostName, b.portName, b.command = "BASELINE_HOST", "BASELINE_PORT", cfg.Baseline
		b.target.Who, b.target.Prefix = "the baseline", "baseline"
		b.target.Setting = fmt.Sprintf("BASELINE_HOST=%q", string(cfg.BaselineHost))
		b.target.Shared = cfg.BaselineHost != ""
		if !b.target.Shared {
			b.target.Command = cfg.Baseline.At(cfg.OfBaseline().Host, cfg.BaselinePort)
			// Both servers may read METRICS_PORT, and cannot both listen on it: 0 is any port that is free.
			b.target.Environment = append(environmentOf(b.target, b.target.Command, exported, cfg.OfBaseline().OfDemo()), "METRICS_PORT=0")
		}
		p.baseline = &b
	}
	return p
}

// setTries is the value of TRIES that the run has.
func (p *plan) setTries() config.Tries {
	if p.auto {
		return config.Auto
	}
	return config.Tries(p.tries)
}

// fixedDuration is the length of every load that a setting gives. That of a growing run is the longest.
func fixedDuration(setting config.Burst) time.Duration {
	if setting == config.AutoBurst {
		return lab.UsualDuration
	}
	return time.Duration(setting)
}

// toolLimit is how long a load tool may run: an hour, or, if it is told DURATION, twice the time that this and TIMEOUT take,
// since it may warm the server up. It then reports, for which k6 takes up to a minute and a half.
func toolLimit(command []string, told time.Duration) time.Duration {
	const rest = 2 * time.Minute
	if external.Uses(command, "{duration}") || external.Uses(command, "{seconds}") {
		return 2*told + rest
	}
	return time.Hour
}

// sideOf returns what the settings say of a server, wherever it comes from.
func sideOf(cfg config.Config) side {
	s := side{
		target: target.Plan{
			Who: "the server", Host: string(cfg.Host), Port: int(cfg.Port), Address: cfg.Address(),
			StartTimeout: time.Duration(cfg.StartTimeout), MetricsURL: string(cfg.MetricsURL),
			MetricsMemory: cfg.MetricsMemory, MetricsRequests: cfg.MetricsRequests,
		},
		hostName: "HOST", portName: "PORT",
		load: load.Plan{
			Address: cfg.Address(), Protocol: load.Protocol(cfg.Protocol), Insecure: cfg.TLSInsecure, Workers: int(cfg.Workers),
			Streams: int(cfg.Streams), Duration: fixedDuration(cfg.Duration), Requests: cfg.Requests, Rate: float64(cfg.Rate), Timeout: time.Duration(cfg.Timeout),
			ReadyPath: string(cfg.ReadyPath),
		},
	}
	if !cfg.AllowRemote {
		s.load.Control = subject.NearTo(s.target.Host).Refuse
	}
	return s
}
