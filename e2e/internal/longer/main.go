// Longer names the tests that LEAKLAB_LONG=1 makes longer, or runs at all: those that ask lab.Long or lab.OnlyLong, also
// by functions of their package. Without it the others have just run, and would be no different. For each folder of its
// arguments that has any it prints a line: the folder, and a pattern for go test -run.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	for _, folder := range os.Args[1:] {
		tests, err := longer(folder)
		if err != nil {
			fmt.Fprintln(os.Stderr, "longer:", err)
			os.Exit(1)
		}
		if len(tests) > 0 {
			fmt.Printf("%s ^(%s)$\n", filepath.ToSlash(folder), strings.Join(tests, "|"))
		}
	}
}

// longer returns the names of the tests of a package, in order.
func longer(folder string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return nil, err
	}
	asks := make(map[string]bool)
	uses := make(map[string][]string) // the names in each function and method, which share their names here
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, declared := range file.Decls {
			function, ok := declared.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := function.Name.Name
			ast.Inspect(function, func(node ast.Node) bool {
				if at, ok := node.(*ast.SelectorExpr); ok && asksForLong(at) {
					asks[name] = true
				}
				if used, ok := node.(*ast.Ident); ok {
					uses[name] = append(uses[name], used.Name)
				}
				return true
			})
		}
	}
	for found := true; found; {
		found = false
		for name, used := range uses {
			if !asks[name] && slices.ContainsFunc(used, func(other string) bool { return asks[other] }) {
				asks[name], found = true, true
			}
		}
	}
	var tests []string
	for name := range asks {
		if strings.HasPrefix(name, "Test") {
			tests = append(tests, name)
		}
	}
	slices.Sort(tests)
	return tests, nil
}

// asksForLong is true for lab.Long and lab.OnlyLong.
func asksForLong(at *ast.SelectorExpr) bool {
	from, ok := at.X.(*ast.Ident)
	return ok && from.Name == "lab" && slices.Contains([]string{"Long", "OnlyLong"}, at.Sel.Name)
}
