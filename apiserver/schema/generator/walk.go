package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// walk collects every struct that is reachable from the kinds.
type walk struct {
	source  *source
	structs map[string]*structure
}

type structure struct {
	openAPI string
	goName  string
	atomic  bool
	markers []string
	fields  []string
}

func newWalk(source *source) *walk {
	return &walk{source, map[string]*structure{}}
}

// leaves are the types with an encoding of their own.
var leaves = map[string]string{
	metaPackage + ".Time":                               "time",
	metaPackage + ".MicroTime":                          "microtime",
	metaPackage + ".Duration":                           "duration",
	metaPackage + ".FieldsV1":                           "fields",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":      "raw",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString":   "intorstr",
	"k8s.io/apimachinery/pkg/api/resource.Quantity":     "quantity",
	extensionsPackage + ".JSON":                         "json",
	extensionsPackage + ".JSONSchemaPropsOrArray":       "array@" + schemaProps,
	extensionsPackage + ".JSONSchemaPropsOrBool":        "bool@" + schemaProps,
	extensionsPackage + ".JSONSchemaPropsOrStringArray": "strings@" + schemaProps,
}

const (
	extensionsPackage = "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	schemaProps       = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
)

type modelNamer interface{ OpenAPIModelName() string }

func openAPIName(t reflect.Type) (string, error) {
	if namer, ok := reflect.New(t).Elem().Interface().(modelNamer); ok {
		return namer.OpenAPIModelName(), nil
	}
	return "", fmt.Errorf("%s has no OpenAPI name", t)
}

// message tells whether a slice type is a protobuf message of its own.
func message(t reflect.Type) bool {
	_, ok := reflect.PointerTo(t).MethodByName("MarshalToSizedBuffer")
	return ok
}

// typeText writes a type in the table's words and adds the structs it leads to.
func (w *walk) typeText(t reflect.Type) (string, error) {
	if leaf, ok := leaves[t.PkgPath()+"."+t.Name()]; ok {
		return leaf, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return "bool", nil
	case reflect.Int32:
		return "i32", nil
	case reflect.Int64:
		return "i64", nil
	case reflect.Float64:
		return "f64", nil
	case reflect.String:
		return "str", nil
	case reflect.Pointer:
		// A pointer inside a list or map is written as its value.
		return w.typeText(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes", nil
		}
		item, err := w.typeText(t.Elem())
		if message(t) {
			return "[w]" + item, err
		}
		return "[]" + item, err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return "", fmt.Errorf("%s: map key is not a string", t)
		}
		value, err := w.typeText(t.Elem())
		return "{}" + value, err
	case reflect.Struct:
		name, err := openAPIName(t)
		if err != nil {
			return "", err
		}
		return "@" + name, w.add(t)
	}
	return "", fmt.Errorf("%s: no such leaf", t)
}

func (w *walk) add(t reflect.Type) error {
	name, err := openAPIName(t)
	if err != nil {
		return err
	}
	if _, ok := w.structs[name]; ok {
		return nil
	}
	typeMarkers := w.source.types[t.PkgPath()+"."+t.Name()]
	s := &structure{openAPI: name, goName: t.String(), atomic: typeMarkers.value("structType") == "atomic"}
	s.markers = validation(typeMarkers)
	w.structs[name] = s
	for i := range t.NumField() {
		line, err := w.field(t, t.Field(i))
		if err != nil {
			return fmt.Errorf("%s.%s: %w", t, t.Field(i).Name, err)
		}
		if line != "" {
			s.fields = append(s.fields, line)
		}
	}
	return nil
}

func (w *walk) field(owner reflect.Type, field reflect.StructField) (string, error) {
	jsonTag, tagged := field.Tag.Lookup("json")
	name, options, _ := strings.Cut(jsonTag, ",")
	if !field.IsExported() || name == "-" {
		return "", nil
	}
	inline := name == "" && field.Anonymous
	if !tagged && !inline {
		return "", fmt.Errorf("no JSON tag")
	}
	found := w.source.fields[owner.PkgPath()+"."+owner.Name()+"."+field.Name]
	number, err := protobufNumber(field)
	if err != nil {
		return "", err
	}
	t := field.Type
	pointer := ""
	if t.Kind() == reflect.Pointer {
		t, pointer = t.Elem(), "*"
	}
	text, err := w.typeText(t)
	if err != nil {
		return "", err
	}
	head := "-"
	if !inline {
		head = strconv.Quote(name) + ":"
	}
	columns := []string{head, strconv.Itoa(number), pointer + text}
	columns = append(columns, w.attributes(owner, t, field, options, found)...)
	return strings.Join(columns, "\t"), nil
}

func protobufNumber(field reflect.StructField) (int, error) {
	tag := field.Tag.Get("protobuf")
	if tag == "" || tag == "-" {
		return 0, nil
	}
	parts := strings.Split(tag, ",")
	if len(parts) < 2 || (parts[0] != "bytes" && parts[0] != "varint" && parts[0] != "fixed64") {
		return 0, fmt.Errorf("protobuf tag %q", tag)
	}
	return strconv.Atoi(parts[1])
}

func (w *walk) attributes(owner, t reflect.Type, field reflect.StructField, options string, found markers) []string {
	var columns []string
	add := func(name, value string) { columns = append(columns, name+"="+value) }
	omitEmpty := false
	for _, option := range strings.Split(options, ",") {
		switch option {
		case "omitempty":
			omitEmpty = true
		}
	}
	switch {
	case strings.Contains(options, "omitzero"):
		add("omit", "zero")
	case omitEmpty:
		add("omit", "empty")
	}
	anonymous := field.Anonymous && !strings.Contains(string(field.Tag), `json:"`+field.Name)
	if !anonymous && required(found, options != "" && strings.Contains(options, "omit")) {
		columns = append(columns, "required")
	}
	if name := goName(t); name != "" {
		add("go", name)
	}
	if strategy := field.Tag.Get("patchStrategy"); strategy != "" {
		add("patch", strategy)
	}
	if key := field.Tag.Get("patchMergeKey"); key != "" {
		add("key", key)
	}
	typeMarkers := w.source.types[t.PkgPath()+"."+t.Name()]
	for _, marker := range []string{"listType", "mapType", "structType"} {
		value := found.value(marker)
		if value == "" && t.Kind() != reflect.Struct {
			value = typeMarkers.value(marker)
		}
		if value != "" {
			add("list", value)
		}
	}
	if keys := found.values("listMapKey"); len(keys) > 0 {
		add("keys", strings.Join(keys, ","))
	}
	if value := w.defaultValue(owner, found); value != "" {
		add("default", value)
	}
	if values := w.enumeration(t); len(values) > 0 {
		add("enum", strings.Join(values, "|"))
	}
	checks := validation(found)
	if t.Kind() != reflect.Struct {
		checks = append(checks, validation(typeMarkers)...)
	}
	return append(columns, checks...)
}

func required(found markers, omitted bool) bool {
	switch {
	case found.has("required") || found.has("k8s:required"):
		return true
	case found.has("optional") || found.has("k8s:optional"):
		return false
	}
	return !omitted
}

// goName is the type in Go's words where it does not follow from the table's.
func goName(t reflect.Type) string {
	base := t
	for base.Kind() == reflect.Slice || base.Kind() == reflect.Map || base.Kind() == reflect.Pointer {
		if base.Name() != "" {
			return t.String()
		}
		base = base.Elem()
	}
	if base.PkgPath() == "" || base.Kind() == reflect.Struct {
		return ""
	}
	return t.String()
}

// enumeration lists the values of a `+enum` type, of a field or of a list's items.
func (w *walk) enumeration(t reflect.Type) []string {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.String || t.PkgPath() == "" {
		return nil
	}
	name := t.PkgPath() + "." + t.Name()
	if found := w.source.types[name]; !found.has("enum") && !found.has("k8s:enum") {
		return nil
	}
	return w.source.enums[name]
}

func (w *walk) defaultValue(owner reflect.Type, found markers) string {
	text := found.value("default")
	if text == "" {
		return ""
	}
	if name, ok := strings.CutPrefix(text, "ref("); ok {
		value := w.source.constants[owner.PkgPath()+"."+strings.TrimSuffix(name, ")")]
		text = strconv.Quote(value)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		panic(fmt.Sprintf("%s: default %s: %v", owner, text, err))
	}
	return compact.String()
}

// notChecks are `+k8s:` markers that say nothing about a value.
var notChecks = []string{
	"deepcopy-gen", "prerelease-lifecycle-gen", "conversion-gen", "openapi-gen", "supportsSubresource",
	"isSubresource", "opaqueType", "deprecated", "customValidation", "optional", "enum", "customUnique",
	"validation-gen", "defaulter-gen", "declarativeValidationNative",
}

func validation(found markers) []string {
	var columns []string
	seen := map[string]bool{}
	for _, marker := range found {
		name, isCheck := strings.CutPrefix(strings.TrimPrefix(marker.name, "alpha:"), "k8s:")
		for _, other := range notChecks {
			isCheck = isCheck && name != other && !strings.HasPrefix(name, other+":")
		}
		if !isCheck {
			continue
		}
		column := "k8s:" + name
		if strings.HasPrefix(marker.name, "alpha:") {
			column = "k8s:alpha:" + name
		}
		if marker.value != "" {
			column += "=" + strings.Trim(marker.value, `"`)
		}
		if !seen[column] {
			columns = append(columns, column)
		}
		seen[column] = true
	}
	return columns
}

func (w *walk) print(kinds []kind) []byte {
	var out bytes.Buffer
	out.WriteString("pintle schema table 1\n")
	for _, kind := range kinds {
		name, err := openAPIName(kind.goType)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&out, "kind\t%s\t%s\t%s", kind.version, kind.name, name)
		if kind.roundTrips {
			out.WriteString("\troundtrips")
		}
		out.WriteByte('\n')
	}
	var names []string
	for name := range w.structs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		s := w.structs[name]
		fmt.Fprintf(&out, "struct\t%s\t%s", s.openAPI, s.goName)
		if s.atomic {
			out.WriteString("\tatomic")
		}
		for _, check := range s.markers {
			out.WriteByte('\t')
			out.WriteString(check)
		}
		out.WriteByte('\n')
		for _, field := range s.fields {
			out.WriteString(field)
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}
