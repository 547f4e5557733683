package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

// writeDocuments writes each kind's documents at the edges of the encodings, as Go encodes them:
//
//	empty    nothing is set
//	pointers every pointer leads to a zero value, lists and maps are nil
//	zeroes   as pointers, and every list and map has one zero item
func writeDocuments(kinds []kind, dir string) error {
	scheme, _, err := apiScheme()
	if err != nil {
		return err
	}
	serializer := protobuf.NewSerializer(scheme, scheme)
	if err := writeSchemas(serializer, dir); err != nil {
		return err
	}
	for _, kind := range kinds {
		if !kind.roundTrips && !isMetaDocument(kind.goType) {
			continue
		}
		version, err := schema.ParseGroupVersion(strings.ReplaceAll(kind.version, "*", "v1"))
		if err != nil {
			return err
		}
		for _, shape := range []struct {
			name         string
			pointers     bool
			oneOfEach    bool
			depthAllowed int
		}{{"empty", false, false, 0}, {"pointers", true, false, 24}, {"zeroes", true, true, 24}} {
			value := reflect.New(kind.goType)
			if shape.pointers {
				fill(value.Elem(), shape.oneOfEach, nil, shape.depthAllowed)
			}
			object := value.Interface().(runtime.Object)
			object.GetObjectKind().SetGroupVersionKind(version.WithKind(kind.name))
			name := documentName(version, kind.name, shape.name)
			if err := writeDocument(serializer, object, dir, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// isMetaDocument tells whether clients send or receive a kind of meta/v1 as protobuf.
func isMetaDocument(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[meta.DeleteOptions](), reflect.TypeFor[meta.Status](),
		reflect.TypeFor[meta.PartialObjectMetadata](), reflect.TypeFor[meta.PartialObjectMetadataList]():
		return true
	}
	return false
}

// writeSchemas writes a custom resource definition with every form that a JSON schema's unions have.
func writeSchemas(serializer *protobuf.Serializer, dir string) error {
	inner := &apiextensions.JSONSchemaProps{Type: "string", Pattern: "^<a>&$"}
	number := 0.5
	root := &apiextensions.JSONSchemaProps{
		Type:                 "object",
		Default:              &apiextensions.JSON{Raw: []byte(`{"a":[1,"x",null]}`)},
		Enum:                 []apiextensions.JSON{{Raw: []byte(`"x"`)}, {Raw: []byte(`1`)}},
		Example:              &apiextensions.JSON{Raw: []byte(`true`)},
		Maximum:              &number,
		AdditionalProperties: &apiextensions.JSONSchemaPropsOrBool{Allows: true, Schema: inner},
		AdditionalItems:      &apiextensions.JSONSchemaPropsOrBool{Allows: true},
		Items:                &apiextensions.JSONSchemaPropsOrArray{Schema: inner},
		Properties: map[string]apiextensions.JSONSchemaProps{
			"closed": {AdditionalProperties: &apiextensions.JSONSchemaPropsOrBool{}},
			"tuple": {Items: &apiextensions.JSONSchemaPropsOrArray{
				JSONSchemas: []apiextensions.JSONSchemaProps{*inner, {Type: "integer"}},
			}},
		},
		Dependencies: apiextensions.JSONSchemaDependencies{
			"schema":  {Schema: inner},
			"strings": {Property: []string{"a", "b"}},
		},
	}
	definition := &apiextensions.CustomResourceDefinition{}
	definition.APIVersion, definition.Kind = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
	definition.Spec.Versions = []apiextensions.CustomResourceDefinitionVersion{{
		Name: "v1", Schema: &apiextensions.CustomResourceValidation{OpenAPIV3Schema: root},
	}}
	name := documentName(apiextensions.SchemeGroupVersion, definition.Kind, "schemas")
	return writeDocument(serializer, definition, dir, name)
}

func documentName(version schema.GroupVersion, kind, shape string) string {
	group := version.Group
	if group == "" {
		group = "core"
	}
	return strings.Join([]string{group, version.Version, kind, shape}, ".")
}

func writeDocument(serializer *protobuf.Serializer, object runtime.Object, dir, name string) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var message bytes.Buffer
	if err := serializer.Encode(object, &message); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), text, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".pb"), message.Bytes(), 0o644)
}

// fill makes pointers lead to zero values. A type that contains itself is entered once.
func fill(v reflect.Value, oneOfEach bool, above []reflect.Type, depth int) {
	t := v.Type()
	if _, leaf := leaves[t.PkgPath()+"."+t.Name()]; leaf || depth == 0 {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		for _, parent := range above {
			if parent == t {
				return
			}
		}
		above = append(append([]reflect.Type{}, above...), t)
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				fill(v.Field(i), oneOfEach, above, depth-1)
			}
		}
	case reflect.Pointer:
		for _, parent := range above {
			if parent == t.Elem() {
				return
			}
		}
		// A pointer to a zero time prints null and is read back as nil.
		if leaf := leaves[t.Elem().PkgPath()+"."+t.Elem().Name()]; leaf != "" && leaf != "quantity" && leaf != "duration" && leaf != "intorstr" {
			return
		}
		v.Set(reflect.New(t.Elem()))
		fill(v.Elem(), oneOfEach, above, depth-1)
	case reflect.Slice:
		if !oneOfEach || t.Elem().Kind() == reflect.Uint8 || recursive(t.Elem(), above) {
			return
		}
		v.Set(reflect.MakeSlice(t, 1, 1))
		fill(v.Index(0), oneOfEach, above, depth-1)
	case reflect.Map:
		if !oneOfEach || recursive(t.Elem(), above) || t.Elem().Kind() == reflect.Slice {
			return
		}
		item := reflect.New(t.Elem()).Elem()
		fill(item, oneOfEach, above, depth-1)
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(reflect.ValueOf("a").Convert(t.Key()), item)
	}
}

func recursive(t reflect.Type, above []reflect.Type) bool {
	for _, parent := range above {
		if parent == t {
			return true
		}
	}
	// An item that is a nil value of a leaf prints null, which is read back as absent.
	leaf := leaves[t.PkgPath()+"."+t.Name()]
	return leaf != "" && leaf != "quantity" && leaf != "intorstr"
}
