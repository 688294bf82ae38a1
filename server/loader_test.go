package main

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The loader is another module, which is built without this one. Settings that mean the same to both are declared twice;
// the tests of this file compare the declarations in the source of the loader with those of the server.

// loader is a symbolic link to the loader's module. Go caches the result of a test, and checks only files with a path
// inside the test's module for changes.
const loader = "testdata/loader/"

// source parses the Go files of a folder, without tests.
func source(t *testing.T, folder string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	require.NotEmpty(t, files, "%s has no Go files; these tests need the whole repository", folder)
	return files
}

// all returns the nodes of one kind in the files.
func all[Node ast.Node](files []*ast.File) []Node {
	var found []Node
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if node, ok := n.(Node); ok {
				found = append(found, node)
			}
			return true
		})
	}
	return found
}

// text returns the value of a string literal; false if the expression is none.
func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}

// printed returns the node as gofmt formats it.
func printed(t *testing.T, node ast.Node) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, printer.Fprint(&out, token.NewFileSet(), node))
	return out.String()
}

func TestLoaderKnowsTheSameLeakModes(t *testing.T) {
	var lists [][]string
	for _, literal := range all[*ast.CompositeLit](source(t, loader+"config")) {
		var list []string
		for _, element := range literal.Elts {
			if value, ok := text(element); ok {
				list = append(list, value)
			}
		}
		if slices.Contains(list, "heap") && slices.Contains(list, "goroutine") {
			lists = append(lists, list)
		}
	}
	require.Len(t, lists, 1, "expected one list of modes: leakModes in loader/config/types.go")
	assert.Equal(t, leakModeNames(), slices.Sorted(slices.Values(lists[0])), "leakModes in loader/config/types.go")
}

// The loader refuses a LEAK_BYTES above the server's limit: a constant of that value is declared there.
func TestLoaderKnowsTheSameLimitOfLeakBytes(t *testing.T) {
	var limits []int64
	for _, function := range all[*ast.FuncDecl](source(t, loader+"config")) {
		if function.Name.Name != "CheckDemo" {
			continue
		}
		ast.Inspect(function, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
				result, err := types.Eval(token.NewFileSet(), nil, token.NoPos, printed(t, spec.Values[0]))
				if err == nil && result.Value != nil && result.Value.Kind() == constant.Int {
					limit, _ := constant.Int64Val(result.Value)
					limits = append(limits, limit)
				}
			}
			return true
		})
	}
	assert.Equal(t, []int64{maxLeakBytes}, limits, "the constants in CheckDemo")
}

func TestLoaderKnowsTheSameProtocols(t *testing.T) {
	var known []protocol
	for _, spec := range all[*ast.ValueSpec](source(t, loader+"load")) {
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Protocol" {
			for _, e := range spec.Values {
				if value, ok := text(e); ok {
					known = append(known, protocol(value))
				}
			}
		}
	}
	assert.Equal(t, protocols(), known, "the constants of type load.Protocol")
}

// The shapes that find the leaks are the loader's: load.Shapes lists them by name.
func TestLoaderHasTheShapesThatFindLeaks(t *testing.T) {
	var literals []string
	for _, literal := range all[*ast.BasicLit](source(t, loader+"load")) {
		if value, ok := text(literal); ok {
			literals = append(literals, value)
		}
	}
	for _, m := range leakModes() {
		if m.shape != "" {
			assert.Contains(t, literals, m.shape, "LEAK=%s", m.name)
		}
	}
}

// hostGrammar returns what a module accepts as a HOST: its regular expressions, and the body of the function that uses
// them, with the name of the type in lower case.
func hostGrammar(t *testing.T, folder string) map[string]string {
	t.Helper()
	grammar := map[string]string{}
	files := source(t, folder)
	for _, spec := range all[*ast.ValueSpec](files) {
		for n, name := range spec.Names {
			if slices.Contains([]string{"hostPattern", "hostName", "numbers"}, name.Name) {
				grammar[name.Name] = printed(t, spec.Values[n])
			}
		}
	}
	for _, function := range all[*ast.FuncDecl](files) {
		if function.Name.Name == "UnmarshalText" && strings.EqualFold(printed(t, function.Recv.List[0].Type), "*host") {
			grammar["UnmarshalText"] = strings.ReplaceAll(printed(t, function.Body), "Host(", "host(")
		}
	}
	return grammar
}

func TestLoaderAcceptsTheSameHosts(t *testing.T) {
	mine := hostGrammar(t, ".")
	assert.Len(t, mine, 4, "three regular expressions and a function")
	assert.Equal(t, mine, hostGrammar(t, loader+"config"))
}
