package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/caarlos0/env/v10"
)

const (
	exitFailure  = 1
	exitSettings = 2
	drainLimit   = 4 * time.Second // below the 5 s after which the loader sends SIGKILL
)

// heapSample is how many bytes lie between two samples of the heap profile, on average.
const heapSample = 32 << 10

func main() {
	sampleHeap()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// sampleHeap has the heap profile show leaks of some megabytes, of which Go's own rate has a handful of samples. A rate that
// is set by GODEBUG stays.
func sampleHeap() {
	const standard = 512 << 10
	if runtime.MemProfileRate == standard {
		runtime.MemProfileRate = heapSample
	}
}

// run does what the arguments ask for, prints to out and its errors to errs, and returns the exit code.
func run(args []string, out, errs io.Writer) int {
	if len(args) == 1 {
		switch args[0] {
		case "--help", "-h", "help":
			if err := writeHelp(out); err != nil {
				fmt.Fprintln(errs, "server:", err)
				return exitFailure
			}
			return 0
		case "leaks":
			writeLeakTable(out)
			return 0
		}
	}
	cfg, err := parseConfig(env.ToMap(os.Environ()))
	if err != nil {
		fmt.Fprintln(errs, err)
		return exitSettings
	}
	switch {
	case len(args) == 0:
		err = serve(cfg)
	case len(args) == 1 && args[0] == "healthcheck":
		err = checkHealth(cfg)
	default:
		fmt.Fprintf(errs, "server: unexpected arguments %q; expected none, \"healthcheck\", \"leaks\" or \"--help\"\n", args)
		return exitSettings
	}
	if err != nil {
		fmt.Fprintln(errs, "server:", err)
		return exitFailure
	}
	return 0
}

// serve serves both ports until SIGTERM or SIGINT, then drains the requests in progress for up to drainLimit.
func serve(cfg config) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	load, err := listen(string(cfg.Host), cfg.Port, "PORT")
	if err != nil {
		return err
	}
	admin, err := listen(string(cfg.Host), port(cfg.MetricsPort), "METRICS_PORT")
	if err != nil {
		return errors.Join(err, load.Close())
	}

	if cfg.Protocol.encrypted() {
		certificate, err := selfSigned(string(cfg.Host))
		if err != nil {
			return errors.Join(err, load.Close(), admin.Close())
		}
		load = tls.NewListener(load, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}})
	}

	registry := newRegistry()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	loaded := &http.Server{Handler: counted(newHandler(cfg, registry), registry), ReadHeaderTimeout: 10 * time.Second, Protocols: protocols, ConnContext: withConnection}
	ending := make(chan struct{})
	loaded.RegisterOnShutdown(func() { close(ending) })
	loaded.BaseContext = func(net.Listener) context.Context {
		return context.WithValue(context.Background(), endingKey{}, (<-chan struct{})(ending))
	}
	servers := map[*http.Server]net.Listener{
		loaded: load,
		{Handler: newAdminHandler(registry), ReadHeaderTimeout: 10 * time.Second}: admin,
	}
	failed := make(chan error, len(servers))
	for server, listener := range servers {
		go func() { failed <- server.Serve(listener) }()
	}
	fmt.Printf("server: listening on %s, metrics and pprof on %s\n", load.Addr(), admin.Addr())

	select {
	case err = <-failed:
	case <-ctx.Done():
		stop() // a second signal ends the process at once
	}
	drain, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	for server := range servers {
		err = errors.Join(err, server.Shutdown(drain))
	}
	return err
}

func listen(host string, port port, setting string) (net.Listener, error) {
	address := net.JoinHostPort(host, strconv.Itoa(int(port)))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s=%d: cannot listen on %s: %w", setting, port, address, err)
	}
	return listener, nil
}

// checkHealth requests /healthz of a running server. It is the container's health check, since the image has no shell.
func checkHealth(cfg config) error {
	client := http.Client{Timeout: 2 * time.Second}
	url := fmt.Sprintf("http://127.0.0.1:%d/healthz", cfg.MetricsPort)
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	return nil
}
