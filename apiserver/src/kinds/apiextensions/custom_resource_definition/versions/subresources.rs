//! The scale of a defined kind. Keeps: its numbers live in the spec and the status.

use super::validate_json_path;
use crate::field::{FieldErrors, Path};
use crate::tree::{Map, Node};

/// Reports what is wrong with where a scale finds its numbers.
pub(super) fn validate_scale(scale: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, place) in [
        ("specReplicasPath", "scale.specReplicasPath"),
        ("statusReplicasPath", "scale.statusReplicasPath"),
        ("labelSelectorPath", "scale.labelSelectorPath"),
    ] {
        let path = path.child(place);
        let text = scale.get(field).and_then(Node::as_str).unwrap_or_default();
        if text.is_empty() {
            if field != "labelSelectorPath" {
                errors.required(&path, "");
            }
            continue;
        }
        let (roots, detail): (&[&str], _) = match field {
            "specReplicasPath" => (&[".spec."], "should be a json path under .spec"),
            "statusReplicasPath" => (&[".status."], "should be a json path under .status"),
            _ => (&[".spec.", ".status."], "should be a json path under either .spec or .status"),
        };
        if validate_json_path(scale, field, &path, errors) && !roots.iter().any(|root| text.starts_with(root))
        {
            errors.invalid(&path, text, detail);
        }
    }
}
