//! The short form of rules that the default policy is written in.

use ecow::EcoString;

use crate::authorization::Rule;

/// The verbs that a word of the policy stands for.
fn verbs(word: &str) -> Vec<EcoString> {
    let list: &[&str] = match word {
        "R" => &["get", "list", "watch"],
        "W" => &["create", "delete", "deletecollection", "patch", "update"],
        "CPU" => &["create", "patch", "update"],
        "ALL" => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        list => return split(list, ','),
    };
    list.iter().copied().map(EcoString::from).collect()
}

fn split(list: &str, separator: char) -> Vec<EcoString> {
    list.split(separator).map(EcoString::from).collect()
}

/// Recorders of events write to both of the groups that events are served in.
const EVENTS: &str = "CPU core|events.k8s.io:events";

/// Reads a rule: `R core:pods,services`, `update core:leases[a,b]`, `get /healthz /livez`, `EV`.
pub(super) fn parse(rule: &str) -> Rule {
    let rule = if rule == "EV" { EVENTS } else { rule };
    let (word, target) = rule.split_once(' ').unwrap_or((rule, ""));
    let Some((groups, resources)) = target.split_once(':') else {
        return Rule::of_paths(verbs(word), split(target, ' '));
    };
    let (resources, names) = match resources.split_once('[') {
        Some((resources, names)) => (resources, split(names.trim_end_matches(']'), ',')),
        None => (resources, Vec::new()),
    };
    let groups =
        groups.split('|').map(|group| EcoString::from(if group == "core" { "" } else { group })).collect();
    Rule::new(verbs(word), groups, split(resources, ',')).named(names)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn short_rules_say_what_long_ones_do() {
        for (short, long) in [
            ("R core:pods", r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list" "watch"]}"#),
            ("* *:*", r#"{APIGroups:["*"], Resources:["*"], Verbs:["*"]}"#),
            ("* *", r#"{NonResourceURLs:["*"], Verbs:["*"]}"#),
            ("get /a /b", r#"{NonResourceURLs:["/a" "/b"], Verbs:["get"]}"#),
            (
                "get,update apps|extensions:a/b[x,y]",
                r#"{APIGroups:["apps" "extensions"], Resources:["a/b"], ResourceNames:["x" "y"], Verbs:["get" "update"]}"#,
            ),
            (
                "EV",
                r#"{APIGroups:["" "events.k8s.io"], Resources:["events"], Verbs:["create" "patch" "update"]}"#,
            ),
        ] {
            assert_eq!(parse(short).to_string(), long);
        }
    }
}
