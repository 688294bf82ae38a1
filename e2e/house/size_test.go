package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// What fits on a screen or two can be read.
const (
	mostOfAFunction = 80  // lines
	mostOfAFile     = 150 // lines of a file of the loader's package main
	mostWithConfig  = 3   // functions that see all settings
)

// source is a file of product code.
type source struct {
	path string // from the root of the checkout
	*ast.File
	*token.FileSet
}

// lines is how many lines a node has.
func (s source) lines(node ast.Node) int {
	return s.Position(node.End()).Line - s.Position(node.Pos()).Line + 1
}

// product parses the Go files that are built into programs.
func product(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, module := range []string{"loader", "server", "grafana"} {
		err := filepath.WalkDir(filepath.Join(lab.Checkout(t), module), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			short, err := filepath.Rel(lab.Root, path)
			all = append(all, source{filepath.ToSlash(short), file, files})
			return err
		})
		require.NoError(t, err)
	}
	require.Greater(t, len(all), 50)
	return all
}

// functions calls f with each function of a file.
func (s source) functions(f func(function *ast.FuncDecl)) {
	for _, declaration := range s.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok {
			f(function)
		}
	}
}

func TestFunctionsAreShort(t *testing.T) {
	for _, file := range product(t) {
		file.functions(func(function *ast.FuncDecl) {
			lines := file.lines(function)
			assert.LessOrEqual(t, lines, mostOfAFunction, "%s: lines of func %s", file.path, function.Name)
		})
	}
}

func TestFilesOfMainAreShort(t *testing.T) {
	for _, file := range product(t) {
		if folder, _ := filepath.Split(file.path); folder == "loader/" {
			lines := file.FileSet.File(file.FileStart).LineCount()
			assert.LessOrEqual(t, lines, mostOfAFile, "%s: lines", file.path)
		}
	}
}

// The settings are translated once into plans; what is below that does not see them all.
func TestFewFunctionsSeeAllSettings(t *testing.T) {
	var found []string
	for _, file := range product(t) {
		file.functions(func(function *ast.FuncDecl) {
			if takesConfig(function) {
				found = append(found, fmt.Sprintf("%s: %s", file.path, function.Name))
			}
		})
	}
	assert.LessOrEqual(t, len(found), mostWithConfig, "functions with a config.Config:\n%s", strings.Join(found, "\n"))
}

// takesConfig is true for a function whose parameters or receiver have the type config.Config. Package config itself,
// which has no name for its own, is not meant.
func takesConfig(function *ast.FuncDecl) bool {
	fields := function.Type.Params.List
	if function.Recv != nil {
		fields = append(slices.Clone(fields), function.Recv.List...)
	}
	return slices.ContainsFunc(fields, func(field *ast.Field) bool { return isConfig(field.Type) })
}

// isConfig is true for config.Config, and for a pointer to it, a slice of it and a variadic parameter.
func isConfig(expression ast.Expr) bool {
	switch of := expression.(type) {
	case *ast.StarExpr:
		return isConfig(of.X)
	case *ast.ArrayType:
		return isConfig(of.Elt)
	case *ast.Ellipsis:
		return isConfig(of.Elt)
	case *ast.SelectorExpr:
		name, ok := of.X.(*ast.Ident)
		return ok && name.Name == "config" && of.Sel.Name == "Config"
	}
	return false
}

func TestConfigIsFound(t *testing.T) {
	for text, want := range map[string]bool{
		"func f(c config.Config) {}":               true,
		"func f(n int, c *config.Config) {}":       true,
		"func f(c ...config.Config) {}":            true,
		"func f(c config.Shape, d Config) {}":      false,
		"func f() (c config.Config) { return c }":  false,
		"func (c other) f(n int) { _ = c; _ = n }": false,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+text, 0)
		require.NoError(t, err)
		function, ok := file.Decls[0].(*ast.FuncDecl)
		require.True(t, ok)
		assert.Equal(t, want, takesConfig(function), text)
	}
}
