package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"sort"
	"strconv"
	"strings"
)

// markers are the `+name=value` lines above a type or field, in order.
type markers []marker

type marker struct{ name, value string }

// source holds what reflection cannot see: markers and constants.
type source struct {
	types  map[string]markers
	fields map[string]markers
	// enums maps a type to the values of its constants.
	enums map[string][]string
	// constants maps package.name to the value of a string constant.
	constants map[string]string
}

func readMarkers(paths []string) (*source, error) {
	dirs, err := directories(paths)
	if err != nil {
		return nil, err
	}
	s := &source{map[string]markers{}, map[string]markers{}, map[string][]string{}, map[string]string{}}
	for _, path := range paths {
		set := token.NewFileSet()
		notTest := func(info fs.FileInfo) bool { return !strings.HasSuffix(info.Name(), "_test.go") }
		parsed, err := parser.ParseDir(set, dirs[path], notTest, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, pkg := range parsed {
			for _, file := range pkg.Files {
				s.readFile(path, file)
			}
		}
	}
	for name := range s.enums {
		sort.Strings(s.enums[name])
	}
	return s, nil
}

func (s *source) readFile(path string, file *ast.File) {
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				doc := spec.Doc
				if doc == nil {
					doc = general.Doc
				}
				name := path + "." + spec.Name.Name
				// Markers may stand in a comment of their own above the doc comment.
				s.types[name] = append(s.types[name], detached(file, general.Pos(), doc)...)
				s.types[name] = append(s.types[name], parseMarkers(doc)...)
				if structure, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range structure.Fields.List {
						for _, fieldName := range fieldNames(field) {
							s.fields[name+"."+fieldName] = parseMarkers(field.Doc)
						}
					}
				}
			case *ast.ValueSpec:
				if general.Tok == token.CONST {
					s.readConstant(path, spec)
				}
			}
		}
	}
}

// detached finds the comment group that ends on the line right above a declaration's own comment.
func detached(file *ast.File, at token.Pos, doc *ast.CommentGroup) markers {
	start := at
	if doc != nil {
		start = doc.Pos()
	}
	var last *ast.CommentGroup
	for _, group := range file.Comments {
		if group.End() < start && start-group.End() <= 3 {
			last = group
		}
	}
	if last == nil {
		return nil
	}
	return parseMarkers(last)
}

func fieldNames(field *ast.Field) []string {
	if len(field.Names) == 0 {
		expr := field.Type
		if star, ok := expr.(*ast.StarExpr); ok {
			expr = star.X
		}
		switch expr := expr.(type) {
		case *ast.Ident:
			return []string{expr.Name}
		case *ast.SelectorExpr:
			return []string{expr.Sel.Name}
		}
		return nil
	}
	var names []string
	for _, name := range field.Names {
		names = append(names, name.Name)
	}
	return names
}

func (s *source) readConstant(path string, spec *ast.ValueSpec) {
	for i, name := range spec.Names {
		if i >= len(spec.Values) {
			continue
		}
		value, ok := stringLiteral(spec.Values[i])
		if !ok {
			continue
		}
		s.constants[path+"."+name.Name] = value
		if named, ok := spec.Type.(*ast.Ident); ok {
			s.enums[path+"."+named.Name] = append(s.enums[path+"."+named.Name], value)
		}
	}
}

func stringLiteral(expr ast.Expr) (string, bool) {
	literal, ok := expr.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}

func parseMarkers(doc *ast.CommentGroup) markers {
	if doc == nil {
		return nil
	}
	var found markers
	for _, comment := range doc.List {
		for _, line := range strings.Split(comment.Text, "\n") {
			line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "//"))
			if !strings.HasPrefix(line, "+") {
				continue
			}
			stage := ""
			// `+k8s:beta(since: "1.37")=+k8s:optional` stages the marker after the sign.
			for _, candidate := range []string{"alpha", "beta"} {
				if strings.HasPrefix(line, "+k8s:"+candidate+"(") {
					if _, rest, ok := strings.Cut(line, ")="); ok {
						line = rest
						if candidate == "alpha" {
							stage = "alpha:"
						}
					}
				}
			}
			name, value, _ := strings.Cut(strings.TrimPrefix(line, "+"), "=")
			if strings.Contains(name, "(") {
				// An argument belongs to the name; the whole text may hold another sign.
				name = strings.TrimPrefix(line, "+")
				value = ""
				if before, after, ok := strings.Cut(name, ")="); ok {
					name, value = before+")", after
				}
			}
			found = append(found, marker{stage + strings.TrimSpace(name), strings.TrimSpace(value)})
		}
	}
	return found
}

func (m markers) has(name string) bool {
	for _, marker := range m {
		if marker.name == name {
			return true
		}
	}
	return false
}

func (m markers) value(name string) string {
	for _, marker := range m {
		if marker.name == name {
			return marker.value
		}
	}
	return ""
}

func (m markers) values(name string) []string {
	var values []string
	for _, marker := range m {
		if marker.name == name {
			values = append(values, marker.value)
		}
	}
	return values
}
