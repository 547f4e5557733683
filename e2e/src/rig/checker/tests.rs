#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn write(key: &str, change: Change, stamp: Stamp, (began, ended): (Time, Time), outcome: Outcome) -> Write {
    Write { client: 0, key: key.to_owned(), change, stamp, based_on: None, began, ended, outcome }
}

fn event(happened: Happened, key: &str, revision: Revision, stamp: Stamp) -> Event {
    Event { happened, key: key.to_owned(), revision, stamp }
}

fn list(began: Time, revision: Revision, objects: &[(&str, Revision, Stamp)]) -> List {
    let objects = objects.iter().map(|(key, revision, stamp)| ((*key).to_owned(), (*revision, *stamp)));
    List { client: 1, asked: "", began, revision, objects: objects.collect() }
}

/// Two objects are made, one is changed, the other deleted; two watchers and some lists see it.
fn sound() -> History {
    use {Change::*, Happened::*, Outcome::*};
    let events = vec![
        event(Added, "a", 11, 1),
        event(Added, "b", 12, 2),
        event(Modified, "a", 15, 3),
        event(Deleted, "b", 16, 2),
    ];
    let late = Watched { from: 12, events: events[2..].to_vec(), ..Watched::default() };
    let watched = Watched { from: 10, events, bookmarks: vec![(2, 14), (4, 20)], resumed: 1, relists: 0 };
    let end = list(90, 20, &[("a", 15, 3)]);
    History {
        writes: vec![
            write("a", Create, 1, (0, 10), Acknowledged(Some(11))),
            write("b", Create, 2, (11, 20), Acknowledged(Some(12))),
            write("a", Update, 3, (21, 30), Unknown),
            write("b", Delete, 0, (31, 40), Acknowledged(None)),
            write("a", Update, 4, (41, 50), Unknown),
            write("a", Update, 5, (51, 52), Refused(429, String::new())),
            write("a", Conditional, 6, (53, 54), Refused(409, String::new())),
        ],
        lists: vec![
            list(1, 10, &[]),
            list(12, 11, &[("a", 11, 1)]),
            list(25, 12, &[("a", 11, 1), ("b", 12, 2)]),
            list(60, 16, &[("a", 15, 3)]),
        ],
        watchers: vec![watched, late],
        failed_reads: 0,
        ends: ["host1", "host2", "host3"].map(|node| (node.to_owned(), end.clone())).into(),
    }
}

#[test]
fn a_sound_history_breaks_nothing() {
    let verdict = check(&sound());
    assert_eq!(verdict.broken, Vec::<String>::new());
    assert_eq!((verdict.acknowledged, verdict.unknown, verdict.refused), (3, 2, 2));
    assert_eq!((verdict.changes, verdict.lists, verdict.events, verdict.resumed), (4, 4, 6, 1));
}

/// Each bug spoils the sound history, and exactly the rule that names it must be broken.
#[test]
fn every_bug_is_named() {
    type Spoil = fn(&mut History);
    let bugs: [(&str, Spoil); 21] = [
        ("an acknowledged write is lost", |it| {
            it.writes.push(write("c", Change::Create, 9, (55, 56), Outcome::Acknowledged(Some(17))));
        }),
        ("an acknowledged write is lost", |it| {
            it.writes.push(write("a", Change::Delete, 0, (55, 56), Outcome::Acknowledged(None)));
        }),
        ("a write was answered another revision", |it| {
            it.writes[0].outcome = Outcome::Acknowledged(Some(13));
            it.lists.remove(1);
        }),
        ("a refused write was done", |it| it.writes[2].outcome = Outcome::Refused(429, String::new())),
        ("a write was refused without a reason", |it| {
            it.writes[4].outcome = Outcome::Refused(409, String::new())
        }),
        ("a write was refused without a reason", |it| {
            it.writes[4].outcome = Outcome::Refused(404, String::new())
        }),
        ("a write was done twice", |it| {
            let again = event(Happened::Modified, "a", 17, 3);
            it.watchers.iter_mut().for_each(|watched| watched.events.push(again.clone()));
        }),
        ("a conditional write overwrote another", |it| {
            it.writes[2].change = Change::Conditional;
            it.writes[2].based_on = Some(10);
        }),
        ("two changes have one revision", |it| it.watchers[1].events[0].stamp = 4),
        ("a change does not fit the one before", |it| {
            it.watchers
                .iter_mut()
                .for_each(|watched| watched.events.push(event(Happened::Modified, "b", 18, 7)));
        }),
        ("a list is not the state at its revision", |it| {
            it.lists[2].objects.remove("a");
        }),
        ("a list is not the state at its revision", |it| {
            it.lists[3].objects.insert("b".to_owned(), (12, 2));
        }),
        ("a list is stale", |it| it.lists[2] = list(25, 11, &[("a", 11, 1)])),
        ("a revision went back", |it| it.lists.push(list(5, 10, &[]))),
        ("a watcher missed events", |it| {
            it.watchers[1].events.remove(0);
        }),
        ("a watcher missed events", |it| {
            it.watchers[0].events.pop();
        }),
        ("a watcher got an event twice or late", |it| it.watchers[0].events.swap(1, 2)),
        ("a watcher got an event twice or late", |it| {
            let twice = it.watchers[0].events[1].clone();
            it.watchers[0].events.insert(2, twice);
        }),
        ("a watcher had to list again", |it| it.watchers[1].relists = 1),
        ("a bookmark was ahead of an event", |it| it.watchers[0].bookmarks[0] = (2, 15)),
        ("a node ended with another state", |it| {
            it.ends[2].1.objects.clear();
        }),
    ];
    for (number, (rule, spoil)) in bugs.iter().enumerate() {
        let mut history = sound();
        spoil(&mut history);
        let broken = check(&history).broken;
        assert!(broken.iter().any(|sentence| sentence.starts_with(rule)), "bug {number}, {rule}: {broken:?}");
    }
}
