//! PodTemplate: a template that stands alone.

use super::pod::template;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::{selector, workload};
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "PodTemplate",
        plural: "podtemplates",
        singular: "podtemplate",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.PodTemplate")],
    columns: &[
        kind::NAME,
        column("Containers", "string", |it, _| workload::containers(it.map("template"))),
        column("Images", "string", |it, _| workload::images(it.map("template"))),
        column("Pod Labels", "string", |it, _| {
            selector::labels_cell(it.map_at(&["template", "metadata", "labels"]))
        }),
    ],
    generation: Generation::When(|it, old| it.get("template") != old.get("template")),
    delete_returns_object: true,
    set_defaults: |it| template::set_template_defaults(it.map_mut("template")),
    validate,
    warnings: |it, _, warnings| {
        if let Some(template) = it.map("template") {
            template::warn_template(template, &Path::new("template"), warnings);
        }
    },
    ..Kind::DEFAULT
};

fn validate(object: &Map, errors: &mut FieldErrors) {
    template::validate_template(
        object.map("template").unwrap_or(&Map::new()),
        &Path::new("template"),
        errors,
    );
}
