//! The columns of events: when last, how often, about what, from whom.

use super::{column, wide};
use crate::age;
use crate::kind::Column;
use crate::tree::{Map, Node};

pub(super) const COLUMNS: &[Column] = &[
    column("Last Seen", "string", |it, now| last_seen(it, now).into()),
    column("Type", "string", |it, _| it.str("type").into()),
    column("Reason", "string", |it, _| it.str("reason").into()),
    column("Object", "string", |it, _| object(it).into()),
    wide("Subobject", "string", |it, _| it.str_at(&["involvedObject", "fieldPath"]).into()),
    wide("Source", "string", |it, _| source(it).into()),
    column("Message", "string", |it, _| it.str("message").trim().into()),
    wide("First Seen", "string", |it, now| first_seen(it, now).into()),
    wide("Count", "string", |it, _| Node::Int(count(it))),
    Column { priority: 1, ..crate::kind::NAME },
];

fn first_seen(event: &Map, now: i64) -> String {
    match event.str("firstTimestamp") {
        "" => age::age(event.str("eventTime"), now),
        time => age::age(time, now),
    }
}

fn last_seen(event: &Map, now: i64) -> String {
    match (event.map("series"), event.str("lastTimestamp")) {
        (Some(series), _) => age::age(series.str("lastObservedTime"), now),
        (None, "") => first_seen(event, now),
        (None, time) => age::age(time, now),
    }
}

fn count(event: &Map) -> i64 {
    match event.map("series") {
        Some(series) => series.int("count").unwrap_or(0),
        // Events of the new style have no count while they are alone.
        None => event.int("count").filter(|count| *count != 0).unwrap_or(1),
    }
}

fn object(event: &Map) -> String {
    let kind = event.str_at(&["involvedObject", "kind"]).to_lowercase();
    match event.str_at(&["involvedObject", "name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

fn source(event: &Map) -> String {
    let either = |old: &'static str, new: &'static str| match event.str_at(&["source", old]) {
        "" => event.str(new),
        text => text,
    };
    let component = either("component", "reportingComponent");
    match either("host", "reportingInstance") {
        "" => component.to_owned(),
        instance => format!("{component}, {instance}"),
    }
}
