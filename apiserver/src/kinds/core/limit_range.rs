//! LimitRange: bounds and defaults for what one object of a namespace may ask for. Keeps: for each resource
//! min <= default request <= default <= max.

use std::collections::HashSet;

use super::pod::defaults::{maps_mut, round_resources};
use super::pod::resources::{self, amount};
use crate::field::{FieldErrors, Path};
use crate::kind::{Context, Kind, Names, Scope, Version};
use crate::names;
use crate::quantity::Quantity;
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "LimitRange",
        plural: "limitranges",
        singular: "limitrange",
        short: &["limits"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.LimitRange")],
    creates_on_update: true,
    set_defaults,
    prepare_for_create,
    validate,
    ..Kind::DEFAULT
};

fn set_defaults(range: &mut Map) {
    for item in maps_mut(range.map_mut("spec"), "limits") {
        if item.str("type") == "Container" {
            fill(item, "default", "max");
            fill(item, "defaultRequest", "default");
            fill(item, "defaultRequest", "min");
        }
        for list in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            round_resources(item.existing_map_mut(list));
        }
    }
}

/// A range without a name is called by its uid.
fn prepare_for_create(range: &mut Map, _: &Context<'_>) {
    if range.name().is_empty() {
        let uid = range.str_at(&["metadata", "uid"]).to_owned();
        range.metadata_mut().set("name", uid);
    }
}

/// Takes amounts that `list` does not have from another list.
fn fill(item: &mut Map, list: &'static str, from: &str) {
    let Some(source) = item.map(from).filter(|source| !source.is_empty()).cloned() else { return };
    let target = item.map_mut(list);
    for (key, amount) in source.iter() {
        target.set_default(key.clone(), amount.clone());
    }
}

fn validate(range: &Map, errors: &mut FieldErrors) {
    let spec = Path::new("spec");
    let path = spec.child("limits");
    let items = range.map("spec").into_iter().flat_map(|spec| spec.maps("limits"));
    let mut types = HashSet::new();
    for (i, item) in items.enumerate() {
        let path = path.index(i);
        let kind = item.str("type");
        validate_type(kind, &path.child("type"), errors);
        if !types.insert(kind) {
            errors.duplicate(&path.child("type"), kind);
        }
        validate_item(item, kind, &path, errors);
    }
}

fn validate_type(kind: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let faults = names::label::key(kind);
    if !faults.is_empty() {
        names::report(errors, path, kind, faults);
    } else if !kind.contains('/') && !matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim") {
        errors.invalid(path, kind, "must be a standard limit type or fully qualified");
    }
}

fn validate_item(item: &Map, kind: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    const LISTS: [&str; 5] = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for list in LISTS {
        let path = path.child(list);
        if kind == "Pod" && list.starts_with("default") {
            if item.map(list).is_some_and(|list| !list.is_empty()) {
                errors.forbidden(&path, "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (name, _) in resources::entries(item, list) {
            if matches!(kind, "Pod" | "Container") {
                resources::container_name(name, &path.key(name), errors);
            } else {
                resources::resource_name(name, &path.key(name), errors);
            }
            if seen.insert(name) {
                names.push(name);
            }
        }
    }
    if kind == "PersistentVolumeClaim"
        && amount(item, "min", "storage").or(amount(item, "max", "storage")).is_none()
    {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(&path.child("limits"), detail);
    }
    for name in names {
        validate_order(item, name, kind == "Pod", path, errors);
        validate_ratio(item, name, path, errors);
    }
}

/// Bounds and defaults in their order, with upstream's words for each pair.
fn validate_order(item: &Map, name: &str, is_pod: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    const PAIRS: [(&str, &str, &str, &str, &str, usize); 6] = [
        ("min", "min value", "max", "max value", "min", 0),
        ("min", "min value", "defaultRequest", "default request value", "defaultRequest", 1),
        ("defaultRequest", "default request value", "max", "max value", "defaultRequest", 0),
        ("defaultRequest", "default request value", "default", "default limit value", "defaultRequest", 0),
        ("min", "min value", "default", "default value", "default", 0),
        ("default", "default value", "max", "max value", "default", 1),
    ];
    for (low, low_words, high, high_words, at, shown) in PAIRS {
        if is_pod && (low.starts_with("default") || high.starts_with("default")) {
            continue;
        }
        let (Some(lower), Some(upper)) = (amount(item, low, name), amount(item, high, name)) else {
            continue;
        };
        if lower > upper {
            let value = [lower, upper][shown].canonical();
            let detail = format!(
                "{low_words} {} is greater than {high_words} {}",
                lower.canonical(),
                upper.canonical()
            );
            errors.invalid(&path.child(at).key(name), value, detail);
        }
    }
    if let (Some(limit), Some(request)) =
        (amount(item, "default", name), amount(item, "defaultRequest", name))
        && !resources::is_overcommit_allowed(name)
        && limit != request
    {
        let detail = format!(
            "default value {} must equal to defaultRequest value {} in {name}",
            limit.canonical(),
            request.canonical()
        );
        errors.invalid(&path.child("defaultRequest").key(name), request.canonical(), detail);
    }
}

fn validate_ratio(item: &Map, name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(ratio) = amount(item, "maxLimitRequestRatio", name) else { return };
    let path = path.child("maxLimitRequestRatio");
    let path = path.key(name);
    if ratio < Quantity::from_value(1) {
        errors.invalid(&path, ratio.canonical(), format!("ratio {} is less than 1", ratio.canonical()));
    }
    if let (Some(min), Some(max)) = (amount(item, "min", name), amount(item, "max", name)) {
        let limit = max.milli_value() as f64 / min.milli_value() as f64;
        if ratio.milli_value() as f64 / 1000.0 > limit {
            let detail = format!("ratio {} is greater than max/min = {limit:.6}", ratio.canonical());
            errors.invalid(&path, ratio.canonical(), detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{List, Node};

    fn range(kind: &str, lists: &[(&'static str, &str)]) -> Map {
        let mut item = Map::from([("type", kind)]);
        for (list, cpu) in lists {
            item.set(*list, Map::from([("cpu", *cpu)]));
        }
        let mut range = Map::from([("spec", Map::from([("limits", List::from([Node::from(item)]))]))]);
        set_defaults(&mut range);
        range
    }

    fn check(kind: &str, lists: &[(&'static str, &str)], expected: &str) {
        let mut errors = FieldErrors::new();
        validate(&range(kind, lists), &mut errors);
        assert_eq!(errors.to_string(), expected);
    }

    #[test]
    fn container_limits_fill_each_other() {
        assert_eq!(
            range("Container", &[("max", "2")]).to_string(),
            r#"{"spec":{"limits":[{"type":"Container","max":{"cpu":"2"},"default":{"cpu":"2"},"defaultRequest":{"cpu":"2"}}]}}"#
        );
    }

    #[test]
    fn a_range_without_a_name_is_called_by_its_uid() {
        let user = crate::user::User::default();
        let context = Context { now: "", user: &user };
        for (name, expected) in [("", "u"), ("n", "n")] {
            let mut range = Map::from([("metadata", Map::from([("name", name), ("uid", "u")]))]);
            prepare_for_create(&mut range, &context);
            assert_eq!(range.name(), expected);
        }
    }

    #[test]
    fn bounds_are_in_order() {
        check("Container", &[("min", "100m"), ("max", "1"), ("maxLimitRequestRatio", "2")], "[]");
        check(
            "Pod",
            &[("min", "2"), ("max", "1")],
            "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1",
        );
        check(
            "Pod",
            &[("default", "1")],
            "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
        );
        check(
            "Thing",
            &[],
            "spec.limits[0].type: Invalid value: \"Thing\": must be a standard limit type or fully qualified",
        );
    }
}
