//! Lists in table cells. Keeps: a cell shows three items and says how many more there are.

/// The first three items joined by `separator`, then ` + n more...`; `<none>` when there are none.
pub(in crate::kinds) fn first_three(items: impl Iterator<Item = String>, separator: &str) -> String {
    first(3, items, separator)
}

/// The same with another number of items.
pub(in crate::kinds) fn first(
    shown_max: usize,
    items: impl Iterator<Item = String>,
    separator: &str,
) -> String {
    let mut items = items;
    let shown: Vec<String> = items.by_ref().take(shown_max).collect();
    let more = items.count();
    match (shown.is_empty(), more) {
        (true, _) => "<none>".to_owned(),
        (false, 0) => shown.join(separator),
        (false, more) => format!("{} + {more} more...", shown.join(separator)),
    }
}
