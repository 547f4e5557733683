//! Which container of a pod is meant.

use crate::status::Error;
use crate::tree::Map;

/// The lists of a pod's containers, in the order in which they are told to people.
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// The container of that name; without a name, the only one.
pub(super) fn named(name: &str, pod: &Map) -> Result<String, Error> {
    let spec = pod.map("spec");
    let of_list = |list: &'static str| {
        spec.into_iter().flat_map(move |spec| spec.maps(list)).map(|container| container.str("name"))
    };
    if !name.is_empty() {
        let found = LISTS.into_iter().flat_map(of_list).any(|candidate| candidate == name);
        let wrong = || Error::BadRequest(format!("container {name} is not valid for pod {}", pod.name()));
        return if found { Ok(name.to_owned()) } else { Err(wrong()) };
    }
    let mut regular = of_list("containers");
    match (regular.next(), regular.next()) {
        (Some(only), None) => Ok(only.to_owned()),
        (None, _) => {
            Err(Error::BadRequest(format!("a container name must be specified for pod {}", pod.name())))
        }
        (Some(_), Some(_)) => {
            let all: Vec<&str> = LISTS.into_iter().flat_map(of_list).collect();
            Err(Error::BadRequest(format!(
                "a container name must be specified for pod {}, choose one of: [{}]",
                pod.name(),
                all.join(" ")
            )))
        }
    }
}
