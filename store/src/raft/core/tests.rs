//! Three cores joined by hand-carried messages: what one node alone never shows.

use std::collections::BTreeMap;

use raft::eraftpb::{ConfState, HardState};

use super::*;

struct Cluster {
    cores: BTreeMap<u64, Core<&'static str>>,
    committed: BTreeMap<u64, Vec<Vec<u8>>>,
    confirmed: Vec<(u64, u64, Vec<&'static str>)>,
    cut_off: Vec<u64>,
    /// Nodes whose log thread is stuck: their batches are kept here.
    stuck: BTreeMap<u64, Vec<u64>>,
}

/// A core that begins with this membership.
fn founded(node: u64, conf: &ConfState) -> Core<&'static str> {
    let hard_state = HardState { term: 1, vote: 0, commit: 1 };
    let tail = Tail::new((1, 1, 0), 1 << 20, hard_state, conf.clone());
    let options = CoreOptions {
        node,
        boot: 1,
        applied: 1,
        awaits_state: false,
        heartbeat_ticks: 1,
        election_ticks: 10,
        uncommitted_bytes_max: 16 << 20,
        seed: node,
    };
    Core::new(&options, tail).expect("a core")
}

impl Cluster {
    fn new(nodes: u64) -> Cluster {
        let conf = ConfState { voters: (1..=nodes).collect(), ..ConfState::default() };
        Cluster {
            cores: (1..=nodes).map(|node| (node, founded(node, &conf))).collect(),
            committed: BTreeMap::new(),
            confirmed: Vec::new(),
            cut_off: Vec::new(),
            stuck: BTreeMap::new(),
        }
    }

    fn core(&mut self, node: u64) -> &mut Core<&'static str> {
        self.cores.get_mut(&node).expect("a node")
    }

    /// Carries messages and persists batches until nobody has anything to say.
    fn settle(&mut self) {
        let mut messages = Vec::new();
        loop {
            for (node, core) in &mut self.cores {
                while core.has_output() {
                    let output = core.output().expect("output");
                    messages.extend(output.messages);
                    if let Some(batch) = output.log {
                        match self.stuck.get_mut(node) {
                            Some(stuck) => stuck.push(batch.number),
                            None => core.persisted(batch.number),
                        }
                    }
                    for entry in output.committed {
                        core.applied(entry.index);
                        self.committed.entry(*node).or_default().push(entry.data);
                    }
                    for (index, readers) in output.reads {
                        self.confirmed.push((*node, index, readers));
                    }
                }
            }
            if messages.is_empty() {
                return;
            }
            for message in std::mem::take(&mut messages) {
                let cut = self.cut_off.contains(&message.from) || self.cut_off.contains(&message.to);
                if !cut && let Some(core) = self.cores.get_mut(&message.to) {
                    // A message that no longer fits is dropped, as a network would.
                    let _ = core.step(message);
                }
            }
        }
    }

    fn elect(&mut self, node: u64) {
        self.core(node).campaign().expect("campaigns");
        self.settle();
        assert_eq!(self.core(node).role(), Role::Leader);
    }

    fn committed_by(&self, node: u64) -> Vec<&[u8]> {
        let entries = self.committed.get(&node).map_or(&[][..], Vec::as_slice);
        entries.iter().filter(|data| !data.is_empty()).map(Vec::as_slice).collect()
    }
}

#[test]
fn a_sole_voter_leads_at_once_and_commits_after_its_own_sync() {
    let mut cluster = Cluster::new(1);
    cluster.elect(1);
    assert!(cluster.core(1).is_sole_voter() && cluster.core(1).leads_its_term());
    cluster.stuck.insert(1, Vec::new());
    cluster.core(1).propose(vec![b"a".to_vec()]).expect("proposed");
    cluster.settle();
    assert!(cluster.committed_by(1).is_empty(), "nothing is applied before it is synced");
    let numbers = cluster.stuck.remove(&1).expect("stuck");
    cluster.core(1).persisted(*numbers.last().expect("a batch"));
    cluster.settle();
    assert_eq!(cluster.committed_by(1), [b"a"]);
}

#[test]
fn an_entry_reaches_every_node_in_order() {
    let mut cluster = Cluster::new(3);
    cluster.elect(2);
    cluster.core(2).propose(vec![b"a".to_vec(), b"b".to_vec()]).expect("proposed");
    cluster.core(2).propose(vec![b"c".to_vec()]).expect("proposed");
    cluster.settle();
    for node in 1..=3 {
        assert_eq!(cluster.committed_by(node), [b"a", b"b", b"c"]);
    }
}

#[test]
fn a_follower_acknowledges_only_what_it_synced() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.cut_off = vec![3];
    cluster.stuck.insert(2, Vec::new());
    cluster.core(1).propose(vec![b"a".to_vec()]).expect("proposed");
    cluster.settle();
    assert!(cluster.committed_by(1).is_empty(), "node 2 has not synced, node 3 is away");
    let numbers = cluster.stuck.remove(&2).expect("stuck");
    cluster.core(2).persisted(*numbers.last().expect("a batch"));
    cluster.settle();
    assert_eq!(cluster.committed_by(1), [b"a"]);
}

#[test]
fn a_conflicting_end_is_replaced_on_the_old_leader() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.cut_off = vec![1];
    cluster.core(1).propose(vec![b"lost".to_vec()]).expect("proposed");
    cluster.settle();
    // Followers that hear their leader refuse to elect another one.
    for _ in 0..20 {
        cluster.core(2).tick();
        cluster.core(3).tick();
    }
    cluster.settle();
    cluster.elect(2);
    cluster.core(2).propose(vec![b"kept".to_vec()]).expect("proposed");
    cluster.settle();
    cluster.cut_off.clear();
    for _ in 0..3 {
        cluster.core(2).tick();
        cluster.settle();
    }
    for node in 1..=3 {
        assert_eq!(cluster.committed_by(node), [b"kept"], "node {node}");
    }
}

#[test]
fn a_read_on_any_node_waits_for_what_was_committed_before() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.core(1).propose(vec![b"a".to_vec()]).expect("proposed");
    cluster.settle();
    let commit = cluster.core(1).commit();
    cluster.core(1).read("at the leader");
    cluster.core(3).read("at a follower");
    cluster.settle();
    let mut confirmed = std::mem::take(&mut cluster.confirmed);
    confirmed.sort();
    assert_eq!(confirmed, [(1, commit, vec!["at the leader"]), (3, commit, vec!["at a follower"])]);
}

#[test]
fn a_leader_that_is_cut_off_confirms_no_read() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.cut_off = vec![1];
    cluster.core(1).read("stale");
    cluster.settle();
    assert!(cluster.confirmed.is_empty());
    for _ in 0..40 {
        for node in 1..=3 {
            cluster.core(node).tick();
        }
        cluster.settle();
    }
    assert!(cluster.confirmed.is_empty());
    assert_ne!(cluster.core(1).role(), Role::Leader, "without a quorum a leader steps down");
    cluster.cut_off.clear();
    for _ in 0..40 {
        for node in 1..=3 {
            cluster.core(node).tick();
        }
        cluster.settle();
    }
    assert_eq!(cluster.confirmed.len(), 1, "asked again once there is a leader");
}

#[test]
fn batches_without_content_never_overtake_those_with() {
    let mut cluster = Cluster::new(1);
    cluster.elect(1);
    cluster.stuck.insert(1, Vec::new());
    for data in [b"a", b"b", b"c"] {
        cluster.core(1).propose(vec![data.to_vec()]).expect("proposed");
        cluster.core(1).read("reader");
        cluster.settle();
    }
    assert!(cluster.committed_by(1).is_empty());
    let numbers = cluster.stuck.remove(&1).expect("stuck");
    assert_eq!(numbers.len(), 3);
    cluster.core(1).persisted(numbers[1]);
    cluster.settle();
    assert_eq!(cluster.committed_by(1), [b"a", b"b"]);
    cluster.core(1).persisted(numbers[2]);
    cluster.settle();
    assert_eq!(cluster.committed_by(1), [b"a", b"b", b"c"]);
}

#[test]
fn a_leader_that_is_removed_steps_down_and_the_others_go_on() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    let removal = crate::members::MemberChange::Remove { node: 1 };
    let change = removal.conf_change(&cluster.core(1).conf_state());
    cluster.core(1).propose_members(change).expect("proposed");
    cluster.core(1).propose(vec![b"behind it".to_vec()]).expect("proposed");
    cluster.settle();
    assert_eq!(cluster.core(1).role(), Role::Follower);
    // The others wait until they no longer trust the leader they last heard.
    for _ in 0..60 {
        [2, 3].into_iter().for_each(|node| cluster.core(node).tick());
        cluster.settle();
    }
    let leader = [2, 3].into_iter().find(|node| cluster.core(*node).role() == Role::Leader);
    let leader = leader.expect("a new leader");
    assert_eq!(cluster.core(leader).conf_state().voters, [2, 3]);
    cluster.core(leader).propose(vec![b"after".to_vec()]).expect("proposed");
    cluster.settle();
    assert_eq!(cluster.committed_by(5 - leader).last(), Some(&&b"after"[..]));
}

/// A cluster of which 1 leads and everybody knows it.
fn led_by_1(nodes: u64) -> Cluster {
    let mut cluster = Cluster::new(nodes);
    cluster.elect(1);
    cluster.core(1).propose(vec![b"before".to_vec()]).expect("proposed");
    cluster.settle();
    cluster
}

#[test]
fn a_leader_that_has_ended_is_succeeded_as_soon_as_a_majority_knows() {
    for order in [[2, 3], [3, 2]] {
        let mut cluster = led_by_1(3);
        cluster.cut_off = vec![1];
        cluster.core(order[0]).report_ended(1);
        cluster.settle();
        assert_ne!(cluster.core(2).role(), Role::Leader);
        cluster.core(order[1]).report_ended(1);
        cluster.settle();
        assert_eq!(cluster.core(2).role(), Role::Leader, "without a tick, also when 3 learned of it last");
        cluster.core(2).propose(vec![b"after".to_vec()]).expect("proposed");
        cluster.settle();
        assert_eq!(cluster.committed_by(3), [&b"before"[..], b"after"]);
    }
}

#[test]
fn a_false_report_costs_a_leader_nothing() {
    let mut cluster = led_by_1(3);
    let term = cluster.core(1).term();
    for _ in 0..5 {
        for node in [2, 3] {
            cluster.core(node).report_ended(1);
            cluster.settle();
            assert_ne!(cluster.core(node).role(), Role::Leader);
            cluster.core(1).tick();
            cluster.settle();
            assert_eq!(cluster.core(node).leader(), 1, "the next heartbeat mends it");
        }
    }
    assert_eq!((cluster.core(1).role(), cluster.core(1).term()), (Role::Leader, term));
}

#[test]
fn whoever_cannot_win_is_not_waited_for() {
    let mut cluster = led_by_1(3);
    cluster.cut_off = vec![2];
    cluster.core(1).propose(vec![b"not on 2".to_vec()]).expect("proposed");
    cluster.settle();
    cluster.cut_off = vec![1];
    for node in [3, 2] {
        cluster.core(node).report_ended(1);
    }
    cluster.settle();
    assert_eq!(cluster.core(3).role(), Role::Leader, "2 comes first, but lacks what is committed");
}

#[test]
fn whoever_comes_next_takes_over_when_the_first_has_ended_as_well() {
    let mut cluster = led_by_1(5);
    cluster.cut_off = vec![1, 2];
    for node in [3, 4, 5] {
        cluster.core(node).report_ended(1);
    }
    cluster.settle();
    let mut ticks = 0;
    while cluster.core(3).role() != Role::Leader {
        ticks += 1;
        assert!(ticks < 5, "no election timeout has passed");
        [3, 4, 5].into_iter().for_each(|node| cluster.core(node).tick());
        cluster.settle();
    }
}

#[test]
fn learners_and_nodes_without_a_state_do_not_campaign_but_let_others_lead() {
    let mut cluster = led_by_1(3);
    let conf = cluster.core(1).conf_state();
    cluster.cores.insert(4, founded(4, &conf));
    let change = crate::members::MemberChange::Add { node: 4, address: String::new() }.conf_change(&conf);
    cluster.core(1).propose_members(change).expect("proposed");
    cluster.settle();
    assert_eq!(cluster.core(4).leader(), 1);
    cluster.cut_off = vec![1];
    cluster.core(2).await_state();
    for _ in 0..3 {
        [4, 2].into_iter().for_each(|node| cluster.core(node).report_ended(1));
        [4, 2].into_iter().for_each(|node| cluster.core(node).tick());
        cluster.settle();
        assert!([4, 2].into_iter().all(|node| cluster.core(node).role() == Role::Follower));
    }
    cluster.core(3).report_ended(1);
    for _ in 0..3 {
        cluster.core(3).tick();
        cluster.settle();
    }
    assert_eq!(cluster.core(3).role(), Role::Leader);
}

#[test]
fn a_request_that_comes_just_before_the_leader_is_given_up_is_answered_then() {
    let mut cluster = led_by_1(3);
    cluster.cut_off = vec![1];
    // 3 has waited for nine ticks, 2 for an election timeout and whatever it adds to it.
    (0..9).for_each(|_| cluster.core(3).tick());
    while cluster.core(2).role() == Role::Follower {
        cluster.core(2).tick();
    }
    cluster.settle();
    assert_eq!(cluster.core(2).role(), Role::Candidate, "3 still trusts the leader");
    cluster.core(3).tick();
    cluster.settle();
    assert_eq!(cluster.core(2).role(), Role::Leader);
}

#[test]
fn a_node_that_answers_many_heartbeats_at_once_is_sent_one_small_probe() {
    let mut cluster = led_by_1(3);
    cluster.cut_off = vec![3];
    cluster.core(1).propose(vec![vec![b'x'; 1_000]; 100]).expect("proposed");
    cluster.settle();
    cluster.core(1).report_unreachable(3);
    let mut heartbeats = Vec::new();
    for _ in 0..50 {
        cluster.core(1).tick();
        let messages = cluster.core(1).output().expect("output").messages;
        let (waiting, arriving): (Vec<Message>, _) =
            messages.into_iter().partition(|message| message.to == 3);
        heartbeats.extend(waiting);
        for message in arriving {
            cluster.core(2).step(message).expect("stepped");
        }
        cluster.settle();
    }
    assert!(heartbeats.len() >= 50);
    for message in heartbeats {
        cluster.core(3).step(message).expect("stepped");
    }
    let answers = cluster.core(3).output().expect("output").messages;
    for answer in answers {
        cluster.core(1).step(answer).expect("stepped");
    }
    let probes = cluster.core(1).output().expect("output").messages;
    let entries: Vec<usize> = probes.iter().map(|message| message.entries.len()).collect();
    assert_eq!(entries, [1]);
    cluster.cut_off.clear();
    for message in probes {
        cluster.core(3).step(message).expect("stepped");
    }
    cluster.settle();
    assert_eq!(cluster.committed_by(3), cluster.committed_by(1), "the rest follows the probe at once");
}
