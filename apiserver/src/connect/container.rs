//! Which container of a pod is meant.

use crate::kinds::all_containers;
use crate::request::Query;
use crate::status::Error;
use crate::tree::Map;

/// The name of the container that the query asks for; if it asks for none, of the only one.
pub(super) fn named<'a>(query: &'a Query, pod: &'a Map) -> Result<&'a str, Error> {
    let spec = pod.map("spec");
    let mut all = spec.into_iter().flat_map(all_containers).map(|container| container.str("name"));
    if let Some(name) = query.non_empty("container") {
        let wrong = || Error::BadRequest(format!("container {name} is not valid for pod {}", pod.name()));
        return all.any(|candidate| candidate == name).then_some(name).ok_or_else(wrong);
    }
    let mut regular = spec.into_iter().flat_map(|spec| spec.maps("containers"));
    match (regular.next(), regular.next()) {
        (Some(only), None) => Ok(only.str("name")),
        (None, _) => {
            Err(Error::BadRequest(format!("a container name must be specified for pod {}", pod.name())))
        }
        (Some(_), Some(_)) => Err(Error::BadRequest(format!(
            "a container name must be specified for pod {}, choose one of: [{}]",
            pod.name(),
            all.collect::<Vec<_>>().join(" ")
        ))),
    }
}
