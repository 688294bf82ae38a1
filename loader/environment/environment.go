// Package environment describes where a run takes place: the machine, and the server's limits, build and those
// environment variables that change how it uses memory. It knows nothing about readings or load. Unknown facts stay
// empty; nothing here fails.
package environment

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"

	"leaklab/loader/cgroup"
)

// Environment is where a run takes place.
type Environment struct {
	Kernel      string `json:"kernel,omitempty"` // "linux 6.1.0 x86_64"
	CPU         string `json:"cpu,omitempty"`    // model
	CPUs        int    `json:"cpus"`             // that the loader may use
	MemoryBytes uint64 `json:"memory_bytes,omitempty"`
	Limits      Limits `json:"server_limits"`
	Server      Server `json:"server"`
}

// Limits are the lowest limits of the server's control groups and those above them; 0 means no limit.
type Limits struct {
	MemoryBytes int64   `json:"memory_bytes,omitempty"`
	CPUs        float64 `json:"cpus,omitempty"`
	Processes   int64   `json:"processes,omitempty"`
}

// Server describes the server's program.
type Server struct {
	Image     *Image            `json:"image,omitempty"` // nil without an image, or for one that the lab built
	Go        *GoBuild          `json:"go,omitempty"`    // nil if it is not written in Go, or not readable
	Variables map[string]string `json:"variables,omitempty"`
}

// GoBuild is the build information in a Go binary.
type GoBuild struct {
	Version  string            `json:"version"`
	Package  string            `json:"package,omitempty"`
	Module   string            `json:"module,omitempty"` // with its version
	Settings map[string]string `json:"settings,omitempty"`
}

// Read describes this machine and the server with the given PID; 0 if the server has no visible process.
func Read(pid int) Environment {
	e := Environment{CPUs: runtime.NumCPU()}
	if kernel, err := host.KernelVersion(); err == nil {
		arch, _ := host.KernelArch()
		e.Kernel = strings.TrimSpace(runtime.GOOS + " " + kernel + " " + arch)
	}
	if cpus, err := cpu.Info(); err == nil && len(cpus) > 0 {
		e.CPU = strings.Join(strings.Fields(cpus[0].ModelName), " ")
	}
	if memory, err := mem.VirtualMemory(); err == nil {
		e.MemoryBytes = memory.Total
	}
	if pid > 0 {
		e.Limits = limitsOf(cgroup.Of(pid))
		e.Server = Server{Go: goBuildOf(pid), Variables: variablesOf(pid)}
	}
	return e
}

// wantedSettings are the build settings that may change how a program uses memory. Others, such as -ldflags, may contain
// secrets.
var wantedSettings = map[string]bool{
	"-race": true, "-msan": true, "-asan": true, "-tags": true, "CGO_ENABLED": true, "DefaultGODEBUG": true, "GOEXPERIMENT": true,
	"GOARCH": true, "GOOS": true, "GOAMD64": true, "GOARM64": true, "vcs.revision": true, "vcs.modified": true,
}

func goBuildOf(pid int) *GoBuild {
	info, err := buildinfo.ReadFile(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return nil
	}
	return describe(info)
}

func describe(info *buildinfo.BuildInfo) *GoBuild {
	build := GoBuild{Version: info.GoVersion, Package: info.Path, Module: strings.TrimSpace(info.Main.Path + " " + info.Main.Version)}
	for _, setting := range info.Settings {
		if wantedSettings[setting.Key] && setting.Value != "" {
			if build.Settings == nil {
				build.Settings = make(map[string]string)
			}
			build.Settings[setting.Key] = setting.Value
		}
	}
	return &build
}

// variablesOf returns the wanted variables of the process's initial environment; nil if that is not readable.
func variablesOf(pid int) map[string]string {
	block, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil
	}
	return wantedVariables(string(block))
}

// wantedVariables returns the variables that change how a runtime or an allocator uses memory, and no others: they may be
// secret. In the block each variable ends with a NUL.
func wantedVariables(block string) map[string]string {
	wanted := make(map[string]string)
	for variable := range strings.SplitSeq(block, "\x00") {
		name, value, found := strings.Cut(variable, "=")
		if !found {
			continue
		}
		switch name {
		case "GOGC", "GOMEMLIMIT", "GODEBUG", "GOMAXPROCS":
			wanted[name] = value
		default:
			if strings.HasPrefix(name, "MALLOC_") {
				wanted[name] = value
			}
		}
	}
	return wanted
}

// Unknown is the version of a program without build information.
const Unknown = "unknown"

// imageRevision is the revision of the checkout that the image of this program was built from. The linker sets it (-X),
// since an image is built without git.
var imageRevision string

// Version is that of this program: the revision it was built from, or Unknown.
func Version() string {
	info, found := debug.ReadBuildInfo()
	if !found {
		return Unknown
	}
	return versionOf(info, imageRevision)
}

// versionOf prefers Go's build information. For an image it is unknown if the checkout had been modified.
func versionOf(info *debug.BuildInfo, image string) string {
	settings := make(map[string]string)
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	revision := settings["vcs.revision"]
	switch {
	case revision == "" && image != "":
		return image + " (image)"
	case revision == "":
		return Unknown
	case settings["vcs.modified"] == "true":
		return revision + " (modified)"
	default:
		return revision
	}
}
