//! DefaultTolerationSeconds: pods stay five minutes on a node that became unready or unreachable.

use super::{Attributes, Operation, Plugin};
use crate::status::Error;
use crate::tree::{Map, Node};

pub(super) struct DefaultTolerationSeconds;

const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const SECONDS: i64 = 300;

impl Plugin for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, pod: &mut Map) -> Result<(), Error> {
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
        let is_stored = attributes.old.is_some_and(|old| pod.shares("spec", old));
        if writes && !is_stored && attributes.is_for("pods", "") {
            tolerate(pod.map_mut("spec"));
        }
        Ok(())
    }
}

fn tolerate(spec: &mut Map) {
    for taint in TAINTS {
        let tolerated = spec.maps("tolerations").any(|toleration| {
            let (key, effect) = (toleration.str("key"), toleration.str("effect"));
            (key == taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        });
        if !tolerated {
            let toleration = Map::from([
                ("key", Node::from(taint)),
                ("operator", Node::from("Exists")),
                ("effect", Node::from("NoExecute")),
                ("tolerationSeconds", Node::Int(SECONDS)),
            ]);
            spec.list_mut("tolerations").push(Node::Map(toleration));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tolerations: &[(&'static str, &'static str)], expected: &[&str]) {
        let tolerations: Node = tolerations
            .iter()
            .map(|(key, effect)| Node::Map(Map::from([("key", *key), ("effect", *effect)])))
            .collect();
        let mut spec = Map::from([("tolerations", tolerations)]);
        tolerate(&mut spec);
        let keys: Vec<&str> = spec.maps("tolerations").map(|it| it.str("key")).collect();
        assert_eq!(keys, expected);
    }

    #[test]
    fn only_untolerated_taints_are_added() {
        check(&[], &TAINTS);
        check(&[("", "")], &[""]);
        check(&[(TAINTS[0], "NoSchedule")], &[TAINTS[0], TAINTS[0], TAINTS[1]]);
        check(&[(TAINTS[0], "NoExecute")], &[TAINTS[0], TAINTS[1]]);
    }
}
