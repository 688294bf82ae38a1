package main

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed kept stock
var sources embed.FS

// subject is a server that the loader starts and measures.
type subject struct {
	name  string   // of the folder of its runs
	title string   // in the table
	needs []string // programs that have to be installed
	// command starts it, in a folder that is empty but for its source. {programs} stands for the folder of what was
	// built, {port} for where it listens, {admin} for another free port.
	command  []string
	settings []string // of the loader, as NAME=VALUE, with the same words
	truth    float64  // bytes that the server keeps of a request
}

// suite is a set of subjects, and how they are measured.
type suite struct {
	name       string   // of the folder of its runs
	head       string   // line above the table
	iterations int      // 0: as many as the loader takes
	settings   []string // of the loader, beside those of a subject
	build      [][]string
	subjects   []subject
}

// goReference is what a reference to a slice takes in a block of 1,024 of them, in bytes. The block takes 27,264: 24 each, 8 for
// what Go notes of pointers in an object of more than 512 bytes, and the next size that its allocator has.
const goReference = 27264 / 1024.0

// runtimes are servers in each runtime that leak, and that do not, with known truth. Both make the same garbage.
func runtimes() suite {
	s := suite{
		name: "runtimes", head: "Servers whose truth is known, %d iterations of 1 s, tolerance %g bytes/request:",
		iterations: 10, settings: []string{"TRIES=10", "DURATION=1s", "RELEASE=0", "LIVE=auto"},
		build: [][]string{
			{"javac", "-d", ".", "kept/Kept.java"},
			{"g++", "-O2", "-pthread", "-o", "kept.native", "kept/kept.cc"},
		},
	}
	add := func(name, title string, truth float64, settings, needs []string, command ...string) {
		s.subjects = append(s.subjects,
			subject{name: name + "-kept", title: title, needs: needs, command: command, truth: truth,
				settings: append([]string{"KEEP=1", "LEAK=heap", "LEAK_BYTES=64"}, settings...)},
			subject{name: name + "-clean", title: title, needs: needs, command: command,
				settings: append([]string{"KEEP=0", "LEAK=none"}, settings...)})
	}
	add("jvm", "JVM: arrays in a list", 104, nil, []string{"java", "javac"},
		"java", "-Dsun.net.httpserver.nodelay=true", "-cp", "{programs}", "Kept")
	add("node", "Node: objects in an array", 112, nil, []string{"node"}, "node", "{programs}/kept/kept.js")
	add("python", "CPython: bytes in a list", 104, nil, []string{"python3"}, "python3", "{programs}/kept/kept.py")
	add("gdb", "C++: glibc's malloc, by gdb", 64, []string{"LIVE=native"}, []string{"g++", "gdb"}, "{programs}/kept.native")
	add("tcmalloc", "C++: LIVE=tcmalloc", 48, []string{"LIVE=tcmalloc"}, []string{"g++"}, "{programs}/kept.native")
	add("go", "Go: slices in blocks", 64+goReference, []string{"PPROF_URL=http://127.0.0.1:{admin}/debug/pprof/"}, nil,
		"env", "METRICS_PORT={admin}", "{programs}/server")
	return s
}

// asShipped are the servers of runtimes, measured with the settings that the loader has by itself.
func asShipped() suite {
	s := runtimes()
	s.name, s.iterations, s.settings = "as-shipped", 0, nil
	s.head = "Servers whose truth is known, measured with the loader's defaults:"
	return s
}

// smallest are servers that keep half a byte of a request, or nothing, in runs of 10 s of load.
func smallest() suite {
	s := suite{
		name: "smallest", head: "Half a byte a request, 20 iterations of 0.5 s, 10 connections, tolerance 0.1 bytes/request:",
		iterations: 20, settings: []string{"TRIES=20", "DURATION=500ms", "WORKERS=10", "TOLERANCE=0.1"},
		build: [][]string{
			{"javac", "-d", ".", "kept/Kept.java"},
			{"go", "build", "-o", "kept.golang", "kept/go/main.go"},
		},
	}
	add := func(name, title, every string, needs, settings []string, command ...string) {
		s.subjects = append(s.subjects,
			subject{name: name + "-kept", title: title, needs: needs, command: command, truth: 0.5,
				settings: append([]string{"KEEP=1", "KEEP_EVERY=" + every}, settings...)},
			subject{name: name + "-clean", title: title, needs: needs, command: command, settings: append([]string{"KEEP=0"}, settings...)})
	}
	add("go", "Go: 64 bytes of every 128th request", "128", []string{"go"},
		[]string{"PPROF_URL=http://127.0.0.1:{port}/debug/pprof/"}, "{programs}/kept.golang")
	add("jvm", "JVM: 104 bytes of every 208th request", "208", []string{"java", "javac"}, nil,
		"java", "-Dsun.net.httpserver.nodelay=true", "-cp", "{programs}", "Kept")
	return s
}

// stock are servers as a distribution has them, which do not leak. Each is started by a script in the folder stock.
func stock() suite {
	s := suite{
		name: "stock", head: "Stock servers, which do not leak, %d iterations of 3 s, tolerance %g bytes/request:",
		iterations: 10, settings: []string{"TRIES=10", "DURATION=3s", "REQUEST_PATH=/"},
	}
	add := func(name, title string, needs []string, settings ...string) {
		s.subjects = append(s.subjects, subject{name: name, title: title, needs: needs, settings: settings,
			command: []string{"sh", "-eu", "{programs}/stock/" + name + ".sh"}})
	}
	add("tomcat10", "Tomcat 10", []string{"java", "/usr/share/tomcat10/bin/catalina.sh"})
	add("jetty9", "Jetty 9", []string{"java", "/usr/share/java/jetty9-start.jar"})
	add("node-http", "Node, http", []string{"node"})
	add("node-http2", "Node, http2", []string{"node"}, "PROTOCOL=h2c")
	add("node-cluster", "Node, cluster of two", []string{"node"})
	add("uvicorn", "uvicorn", []string{"uvicorn"})
	add("gunicorn", "gunicorn", []string{"gunicorn"})
	add("puma", "puma", []string{"puma"})
	return s
}

// measured are the subjects whose names match only. One that needs what is not installed is named and left out.
func (s suite) measured(only *regexp.Regexp) []subject {
	var all []subject
	for _, one := range s.subjects {
		if !only.MatchString(one.name) {
			continue
		}
		if missing := one.missing(); len(missing) > 0 {
			fmt.Fprintf(os.Stderr, "%s is left out: not installed: %s\n", one.name, strings.Join(missing, ", "))
			continue
		}
		all = append(all, one)
	}
	return all
}

// missing are the programs that the subject needs and that are not installed.
func (s subject) missing() []string {
	var names []string
	for _, name := range s.needs {
		_, err := exec.LookPath(name)
		if filepath.IsAbs(name) {
			_, err = os.Stat(name)
		}
		if err != nil {
			names = append(names, name)
		}
	}
	return names
}
