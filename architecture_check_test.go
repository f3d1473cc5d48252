package grapevine_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "grapevine/"

// source is a parsed file.
type source struct {
	path string // from the root of the tree
	pkg  string // directory of path
	test bool
	ast  *ast.File
}

// inspect parses a tree and returns what breaks the rules in it.
func inspect(t *testing.T, tree fs.FS) (violations []string) {
	t.Helper()
	packages := make(map[string][]source)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || path.Dir(name) == "." {
			return nil
		}
		s, err := parse(tree, name)
		packages[s.pkg] = append(packages[s.pkg], s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, sources := range packages {
		violations = append(violations, inspectPackage(pkg, sources)...)
	}
	slices.Sort(violations)
	return violations
}

func parse(tree fs.FS, name string) (source, error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return source{}, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
	return source{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), file}, err
}

func inspectPackage(pkg string, sources []source) (violations []string) {
	if _, ok := floorOf(pkg); !ok {
		return []string{fmt.Sprintf("%s: package %s is on no floor: "+
			"add it to the table, so that who may import it is decided", sources[0].path, pkg)}
	}
	if what := commentViolation(sources); what != "" {
		violations = append(violations, sources[0].path+": "+what)
	}
	for _, s := range sources {
		for _, spec := range s.ast.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
			if what := importViolation(s, imported); what != "" {
				violations = append(violations, fmt.Sprintf("%s imports %s: %s", s.path, imported, what))
			}
		}
		for _, what := range codeViolations(s) {
			violations = append(violations, s.path+" "+what)
		}
	}
	return violations
}

func commentViolation(sources []source) string {
	shipped := slices.DeleteFunc(slices.Clone(sources), func(s source) bool { return s.test })
	commented := slices.ContainsFunc(shipped, func(s source) bool { return s.ast.Doc != nil })
	if len(shipped) > 0 && !commented {
		return "package has no package comment, which is where a reader learns what it is for"
	}
	return ""
}

// importViolation says what is wrong with an import, or nothing.
func importViolation(s source, imported string) string {
	if b, ok := boundaryOf(imported); ok && !(s.test && b.tests) && !covers(b.only, s.pkg) {
		return fmt.Sprintf("only %q may: %s", b.only, b.reason)
	}
	if target, ours := strings.CutPrefix(imported, module); ours {
		return houseViolation(s, target)
	}
	if !s.test && slices.Contains(pure, s.pkg) && doesIO(imported) {
		return "does I/O, and package " + s.pkg + " only computes, so that it can be tested and simulated exactly"
	}
	return ""
}

// houseViolation says what is wrong with the import of a package of this module.
func houseViolation(s source, target string) string {
	from, _ := floorOf(s.pkg)
	to, ok := floorOf(target)
	helper := slices.Contains(helpers, target)
	switch {
	case !ok:
		return "package " + target + " is on no floor: add it to the table, so that who may import it is decided"
	case helper && !s.test && !slices.Contains(helpers, s.pkg):
		return target + " is for tests, and shipped code must not carry its weight"
	case s.test && (helper || to <= from || strings.HasSuffix(s.ast.Name.Name, "_test")):
		return ""
	case s.test:
		return fmt.Sprintf("a test within a package imports its own floor (%d) and lower ones, not %d: "+
			"what needs more tests from without, in a package of its own", from, to)
	case isService(s.pkg) && !isService(target) && !strings.HasPrefix(target, "crdt") && target != "store":
		return "services know the ports of the store and nothing of what carries them out, so that they run over any"
	case to < from || sameFamily(s.pkg, target):
		return ""
	case to == from && isService(target):
		return "services never import one another: each declares the one or two methods that it needs"
	}
	return fmt.Sprintf("packages import strictly lower floors, and %s is on %d, %s on %d: "+
		"commands go down by function call, facts come up by reading a change log", s.pkg, from, target, to)
}

// codeViolations says what is wrong with a file beyond its imports.
func codeViolations(s source) (violations []string) {
	onlyComputes := !s.test && slices.Contains(pure, s.pkg)
	ast.Inspect(s.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				violations = append(violations,
					"has an init function: what happens by being imported cannot be left out or done twice")
			}
		case *ast.GoStmt:
			if onlyComputes {
				violations = append(violations,
					"starts a goroutine, and package "+s.pkg+" only computes")
			}
		case *ast.SelectorExpr:
			if onlyComputes && readsClock(n) {
				violations = append(violations, "reads the clock with time."+n.Sel.Name+
					", and package "+s.pkg+" is told the time, so that tests can tell it any")
			}
		}
		return true
	})
	return violations
}

func readsClock(sel *ast.SelectorExpr) bool {
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "time" && slices.Contains(
		[]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}, sel.Sel.Name)
}

func doesIO(imported string) bool {
	return covers([]string{"os/...", "net/...", "log/...", "io/fs", "io/ioutil", "database/...", "syscall"}, imported)
}

func isService(pkg string) bool { return strings.HasPrefix(pkg, "services/") }

// floorOf gives the floor of a package, if it has one.
func floorOf(pkg string) (int, bool) {
	for floor, packages := range floors {
		if covers(packages, pkg) {
			return floor, true
		}
	}
	return 0, false
}

// sameFamily says whether one package may import the other though they share a
// floor.
func sameFamily(from, to string) bool {
	return slices.ContainsFunc(families, func(family []string) bool {
		return matches(family[0], from) && covers(family, to) && from != to
	})
}

// boundaryOf gives the most particular boundary that an import is within.
func boundaryOf(imported string) (found boundary, ok bool) {
	for _, b := range boundaries {
		if matches(b.imports, imported) && len(b.imports) > len(found.imports) {
			found, ok = b, true
		}
	}
	return found, ok
}

func covers(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, path) })
}

// matches says whether a path is the pattern, or below it when it ends in /...
func matches(pattern, path string) bool {
	root, tree := strings.CutSuffix(pattern, "/...")
	return path == root || (tree && strings.HasPrefix(path, root+"/"))
}
