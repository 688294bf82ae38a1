package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// rooms are the folders of loader/ in the order of the way of the data: a room imports none of a column to its left. The
// first is loader/ itself. Programs, which nothing can import, stand beside it, wherever their folder is.
var rooms = [][]string{
	{"main", "draw", "docs"},
	{"run"},
	{"reproduce", "judge", "target", "live", "report", "terminal", "exporter"},
	{"chart"},
	{"record"},
	{"lab", "load", "rpc", "memory", "verdict", "environment", "text", "shell", "profile", "jfr", "scrape", "config", "external", "subject", "cgroup", "kernel", "symbol"},
}

// mayImportConfig are the rooms that see the settings as a whole; all others are given plans.
var mayImportConfig = []string{"main", "docs", "run", "reproduce", "config"}

// importPackage is what these tests need of a package that go list prints.
type importPackage struct {
	ImportPath, Name string
	Imports, Deps    []string
}

const loaderModule = "leaklab/loader"

// room is the room of a package of the loader's module, and empty for any other package.
func room(path string) string {
	if path == loaderModule {
		return "main"
	}
	below, ok := strings.CutPrefix(path, loaderModule+"/")
	if !ok {
		return ""
	}
	room, _, _ := strings.Cut(below, "/")
	return room
}

// column is the place of a room in the order, or -1.
func column(room string) int {
	return slices.IndexFunc(rooms, func(column []string) bool { return slices.Contains(column, room) })
}

// packages lists the loader's packages.
func packages(t *testing.T) []importPackage {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Name,Imports,Deps", "./...")
	list.Dir = lab.Checkout(t) + "/loader"
	output, err := list.Output()
	require.NoError(t, err)
	var all []importPackage
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p importPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		all = append(all, p)
	}
	require.Greater(t, len(all), 10)
	return all
}

// wrongImports are the imports of a package that the order of the rooms forbids.
func wrongImports(p importPackage) []string {
	from := room(p.ImportPath)
	if column(from) < 0 {
		return []string{p.ImportPath + ": the room " + from + " is not in the list"}
	}
	var wrong []string
	for _, path := range p.Imports {
		to := room(path)
		switch {
		case to == "":
		case p.Name != "main" && column(to) < column(from):
			wrong = append(wrong, p.ImportPath+" imports "+path+", which is to its left")
		case to == "config" && !slices.Contains(mayImportConfig, from):
			wrong = append(wrong, p.ImportPath+" imports "+path+": it should be given a plan")
		}
	}
	return wrong
}

func TestRoomsImportOnlyToTheRight(t *testing.T) {
	for _, p := range packages(t) {
		assert.Empty(t, wrongImports(p))
	}
}

// What decides and measures does not know who runs it and who shows it, by any path.
func TestMeasuringKnowsNothingOfShowing(t *testing.T) {
	for _, p := range packages(t) {
		if p.Name == "main" || !slices.Contains([]string{"verdict", "lab", "load", "memory"}, room(p.ImportPath)) {
			continue
		}
		for _, path := range p.Deps {
			assert.NotContains(t, []string{"run", "report", "terminal"}, room(path), "%s depends on %s", p.ImportPath, path)
		}
	}
}

func TestWrongImportsAreFound(t *testing.T) {
	for _, test := range []struct {
		from, to string
		wrong    bool
	}{
		{loaderModule, loaderModule + "/run", false},
		{loaderModule + "/run", loaderModule + "/record", false},
		{loaderModule + "/run", loaderModule + "/config", false},
		{loaderModule + "/lab", loaderModule + "/load", false},
		{loaderModule + "/record", "fmt", false},
		{loaderModule + "/record", loaderModule + "/report", true},
		{loaderModule + "/verdict/synthetic", loaderModule + "/record", true},
		{loaderModule + "/report", loaderModule + "/config", true},
		{loaderModule + "/cellar", "fmt", true},
	} {
		wrong := wrongImports(importPackage{ImportPath: test.from, Imports: []string{test.to}})
		assert.Equal(t, test.wrong, len(wrong) > 0, "%s imports %s: %s", test.from, test.to, wrong)
	}
}
