//! Escalation: nobody grants what they do not have, unless a role says so (`escalate`, `bind`).

use super::rule::{Rule, compact, missing};
use super::{Attributes, Authorizer};
use crate::storage::View;
use crate::user::{SYSTEM_MASTERS, User};

/// Everything: what a role with an aggregation rule may come to grant.
pub fn full_authority() -> Vec<Rule> {
    let all = || vec!["*".into()];
    vec![Rule::new(all(), all(), all()), Rule::of_paths(all(), all())]
}

/// Whether `user` may pass over the check: by being a master, or by a role that grants `attributes`.
pub fn is_exempt(authorizer: &Authorizer, view: &View, user: &User, attributes: &Attributes<'_>) -> bool {
    user.in_group(SYSTEM_MASTERS) || authorizer.authorize(view, user, attributes).allowed()
}

/// Refuses rules that `user` does not have in `namespace`; answers the cause.
pub fn confirm_held(
    authorizer: &Authorizer,
    view: &View,
    user: &User,
    namespace: &str,
    wanted: &[Rule],
) -> Result<(), String> {
    let (held, unresolved) = authorizer.rules(view, user, namespace);
    let lacking = compact(missing(&held, wanted));
    if lacking.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = lacking.iter().map(Rule::to_string).collect();
    lines.sort_unstable();
    lines.dedup();
    let groups: Vec<String> = user.groups.iter().map(|group| format!("{group:?}")).collect();
    let mut message = format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        groups.join(" "),
        lines.join("\n")
    );
    if !unresolved.is_empty() {
        message.push_str(&format!("; resolution errors: [{}]", unresolved.join(", ")));
    }
    Err(message)
}
