//! Files that volumes make out of other objects: paths of a volume of which one is, or lies in, another.

use std::collections::HashMap;
use std::fmt;

use crate::tree::Map;
use crate::warning::Warnings;

/// A path in a volume, and of what it is where a volume has several sources.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Origin<'a> {
    path: &'a str,
    source: Option<Source<'a>>,
}

/// What files are made of: a sort of object, and which.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Source<'a> {
    sort: &'static str,
    name: Option<&'a str>,
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.path)?;
        self.source.map_or(Ok(()), |source| write!(f, " ({source})"))
    }
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sort)?;
        self.name.map_or(Ok(()), |name| write!(f, " {name:?}"))
    }
}

impl<'a> Source<'a> {
    fn new(sort: &'static str) -> Source<'a> {
        Source { sort, name: None }
    }

    fn named(sort: &'static str, name: &'a str) -> Source<'a> {
        Source { sort, name: Some(name) }
    }
}

/// Warns of paths that hide each other, and of projections of nothing.
pub(super) fn warn(spec: &Map, warnings: &mut Warnings) {
    for volume in spec.maps("volumes") {
        let name = volume.str("name");
        if let Some(map) = volume.map("configMap") {
            let of = Source::named("ConfigMap", map.str("name"));
            warn_of_overlaps(name, of, items(map, None), warnings);
        }
        if let Some(secret) = volume.map("secret") {
            let of = Source::named("Secret", secret.str("secretName"));
            warn_of_overlaps(name, of, items(secret, None), warnings);
        }
        if let Some(downward) = volume.map("downwardAPI") {
            warn_of_overlaps(name, Source::new("DownwardAPI"), items(downward, None), warnings);
        }
        if let Some(projected) = volume.map("projected") {
            let sources = projected.maps("sources").filter(|source| {
                if source.is_empty() {
                    warnings.push(format!("volume {name:?} (Projected) has no sources provided"));
                }
                !source.is_empty()
            });
            let origins = sources.flat_map(of_projection).collect();
            warn_of_overlaps(name, Source::new("Projected"), origins, warnings);
        }
    }
}

fn items<'a>(source: &'a Map, shown: Option<Source<'a>>) -> Vec<Origin<'a>> {
    source.maps("items").map(|item| Origin { path: item.str("path"), source: shown }).collect()
}

fn of_projection(source: &Map) -> Vec<Origin<'_>> {
    for (field, sort) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
        if let Some(map) = source.map(field) {
            return items(map, Some(Source::named(sort, map.str("name"))));
        }
    }
    if let Some(downward) = source.map("downwardAPI") {
        return items(downward, Some(Source::new("DownwardAPI")));
    }
    if let Some(token) = source.map("serviceAccountToken") {
        return vec![Origin { path: token.str("path"), source: Some(Source::new("ServiceAccountToken")) }];
    }
    if let Some(bundle) = source.map("clusterTrustBundle") {
        let name = if bundle.contains("name") { bundle.str("name") } else { bundle.str("signerName") };
        return vec![Origin {
            path: bundle.str("path"),
            source: Some(Source::named("ClusterTrustBundle", name)),
        }];
    }
    let Some(certificate) = source.map("podCertificate") else { return Vec::new() };
    [
        ("certificateChainPath", "PodCertificate chain"),
        ("keyPath", "PodCertificate key"),
        ("credentialBundlePath", "PodCertificate credential bundle"),
    ]
    .into_iter()
    .map(|(field, sort)| Origin { path: certificate.str(field), source: Some(Source::new(sort)) })
    .collect()
}

fn warn_of_overlaps(volume: &str, of: Source<'_>, mut origins: Vec<Origin<'_>>, warnings: &mut Warnings) {
    if origins.len() < 2 {
        return;
    }
    origins.iter_mut().for_each(|origin| origin.path = origin.path.trim_end_matches('/'));
    let mut counts = HashMap::new();
    origins.retain(|origin| {
        let count = counts.entry(*origin).or_insert(0_u8);
        *count = count.saturating_add(1);
        // A third of the same says nothing new.
        !origin.path.is_empty() && *count <= 2
    });
    for (later, before) in overlaps(&origins) {
        let (origin, before) = (&origins[later], &origins[before]);
        warnings.push(format!("volume {volume:?} ({of}): overlapping paths: {origin} with {before}"));
    }
}

/// Pairs of which one path is the other's or below it, in their order; not all where there are very many.
fn overlaps(origins: &[Origin<'_>]) -> Vec<(usize, usize)> {
    const PAIRS_MAX: usize = 1_000;
    let mut order: Vec<usize> = (0..origins.len()).collect();
    // Part by part, so that what is below a path follows it.
    order.sort_by(|a, b| origins[*a].path.split('/').cmp(origins[*b].path.split('/')));
    let mut pairs = Vec::new();
    let mut around: Vec<usize> = Vec::new();
    for this in order {
        around.retain(|outer| is_within(origins[this].path, origins[*outer].path));
        pairs.extend(around.iter().map(|outer| (this.max(*outer), this.min(*outer))));
        if pairs.len() > PAIRS_MAX {
            break;
        }
        around.push(this);
    }
    pairs.sort_unstable();
    pairs
}

/// Whether `path` is `other` or below it.
fn is_within(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::yaml;
    use crate::tree::Node;

    #[test]
    fn paths_that_hide_each_other_and_empty_projections_are_told_of() {
        let text = r#"
            volumes:
            - {name: a, configMap: {name: c, items: [{path: x/}, {path: x/y}, {path: xy}]}}
            - {name: b, projected: {sources: [{serviceAccountToken: {path: t}}, {}, {secret: {name: s, items: [{path: t}]}}]}}
            - {name: c, downwardAPI: {items: [{path: d}, {path: e}, {path: e-f}, {path: ee}]}}
            - {name: d, secret: {secretName: s, items: [{path: a/b/c}, {path: a}, {path: a-b}, {path: a/b}, {path: a}, {path: a}]}}
        "#;
        let Node::Map(spec) = yaml::decode(text.as_bytes(), None).unwrap() else { panic!() };
        let mut warnings = Warnings::new();
        warn(&spec, &mut warnings);
        assert_eq!(
            *warnings,
            [
                r#"volume "a" (ConfigMap "c"): overlapping paths: "x/y" with "x""#,
                r#"volume "b" (Projected) has no sources provided"#,
                r#"volume "b" (Projected): overlapping paths: "t" (Secret "s") with "t" (ServiceAccountToken)"#,
                r#"volume "d" (Secret "s"): overlapping paths: "a" with "a/b/c""#,
                r#"volume "d" (Secret "s"): overlapping paths: "a/b" with "a/b/c""#,
                r#"volume "d" (Secret "s"): overlapping paths: "a/b" with "a""#,
                r#"volume "d" (Secret "s"): overlapping paths: "a" with "a""#,
                r#"volume "d" (Secret "s"): overlapping paths: "a" with "a/b""#,
            ]
        );
    }
}
