package main

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strings"

	admission "k8s.io/api/admission/v1"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	apidiscovery "k8s.io/api/apidiscovery/v2"
	apps "k8s.io/api/apps/v1"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	certificates "k8s.io/api/certificates/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	events "k8s.io/api/events/v1"
	flowcontrol "k8s.io/api/flowcontrol/v1"
	networking "k8s.io/api/networking/v1"
	node "k8s.io/api/node/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	resource "k8s.io/api/resource/v1"
	scheduling "k8s.io/api/scheduling/v1"
	storage "k8s.io/api/storage/v1"
	storagemigration "k8s.io/api/storagemigration/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// kind is one registered kind. Kinds of meta/v1 belong to every group; their version is "*".
type kind struct {
	version string
	name    string
	goType  reflect.Type
	// stored kinds and reviews survive a trip through every encoding; options and discovery kinds are
	// read by other means too.
	roundTrips bool
}

const metaPackage = "k8s.io/apimachinery/pkg/apis/meta/v1"

func apiScheme() (*runtime.Scheme, []schema.GroupVersion, error) {
	scheme := runtime.NewScheme()
	versions := []schema.GroupVersion{
		admission.SchemeGroupVersion, admissionregistration.SchemeGroupVersion, apidiscovery.SchemeGroupVersion,
		apiextensions.SchemeGroupVersion, apiregistration.SchemeGroupVersion, apps.SchemeGroupVersion,
		authentication.SchemeGroupVersion, authorization.SchemeGroupVersion, autoscalingv1.SchemeGroupVersion,
		autoscalingv2.SchemeGroupVersion, batch.SchemeGroupVersion, certificates.SchemeGroupVersion,
		coordination.SchemeGroupVersion, core.SchemeGroupVersion, discovery.SchemeGroupVersion,
		events.SchemeGroupVersion, flowcontrol.SchemeGroupVersion, networking.SchemeGroupVersion,
		node.SchemeGroupVersion, policy.SchemeGroupVersion, rbac.SchemeGroupVersion, resource.SchemeGroupVersion,
		scheduling.SchemeGroupVersion, storage.SchemeGroupVersion, storagemigration.SchemeGroupVersion,
	}
	for _, add := range []func(*runtime.Scheme) error{
		admission.AddToScheme, admissionregistration.AddToScheme, apidiscovery.AddToScheme,
		apiextensions.AddToScheme, apiregistration.AddToScheme, apps.AddToScheme, authentication.AddToScheme,
		authorization.AddToScheme, autoscalingv1.AddToScheme, autoscalingv2.AddToScheme, batch.AddToScheme,
		certificates.AddToScheme, coordination.AddToScheme, core.AddToScheme, discovery.AddToScheme,
		events.AddToScheme, flowcontrol.AddToScheme, networking.AddToScheme, node.AddToScheme,
		policy.AddToScheme, rbac.AddToScheme, resource.AddToScheme, scheduling.AddToScheme, storage.AddToScheme,
		storagemigration.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, nil, err
		}
	}
	return scheme, versions, nil
}

// servedKinds lists every kind of the served versions, then the kinds that belong to no group.
func servedKinds() ([]kind, error) {
	scheme, versions, err := apiScheme()
	if err != nil {
		return nil, err
	}
	var kinds []kind
	for _, version := range versions {
		for name, goType := range scheme.KnownTypes(version) {
			if goType.PkgPath() == metaPackage {
				continue
			}
			// Connect options are read from the query, and the plain lists of core/v1 never travel.
			roundTrips := !strings.HasSuffix(name, "Options")
			kinds = append(kinds, kind{version.String(), name, goType, roundTrips})
		}
	}
	sort.Slice(kinds, func(i, j int) bool {
		if kinds[i].version != kinds[j].version {
			return kinds[i].version < kinds[j].version
		}
		return kinds[i].name < kinds[j].name
	})
	for _, value := range []any{
		meta.APIGroup{}, meta.APIGroupList{}, meta.APIResourceList{}, meta.APIVersions{}, meta.CreateOptions{},
		meta.DeleteOptions{}, meta.GetOptions{}, meta.List{}, meta.ListOptions{}, meta.PartialObjectMetadata{},
		meta.PartialObjectMetadataList{}, meta.PatchOptions{}, meta.Status{}, meta.TableOptions{},
		meta.UpdateOptions{}, meta.WatchEvent{},
	} {
		goType := reflect.TypeOf(value)
		kinds = append(kinds, kind{"*", goType.Name(), goType, false})
	}
	return kinds, nil
}

// packages lists the import paths whose sources hold markers.
func packages(kinds []kind) []string {
	seen := map[string]bool{
		metaPackage:                              true,
		"k8s.io/apimachinery/pkg/runtime":        true,
		"k8s.io/apimachinery/pkg/types":          true,
		"k8s.io/apimachinery/pkg/util/intstr":    true,
		"k8s.io/apimachinery/pkg/api/resource":   true,
		"k8s.io/apimachinery/pkg/runtime/schema": true,
	}
	for _, kind := range kinds {
		seen[kind.goType.PkgPath()] = true
	}
	var paths []string
	for path := range seen {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	return paths
}

// directories asks the Go tool where packages live.
func directories(paths []string) (map[string]string, error) {
	out, err := exec.Command("go", append([]string{"list", "-f", "{{.ImportPath}}\t{{.Dir}}"}, paths...)...).Output()
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		path, dir, _ := strings.Cut(line, "\t")
		found[path] = dir
	}
	return found, nil
}

func publishedDocuments() (string, error) {
	const path = "k8s.io/api/core/v1"
	found, err := directories([]string{path})
	if err != nil {
		return "", err
	}
	return filepath.Join(found[path], "..", "..", "testdata", "HEAD"), nil
}
