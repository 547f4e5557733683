//! `pintle status`: one node as it sees itself.

use std::fmt::Write as _;

use crate::{
    cli::StatusArgs,
    error::Error,
    size::Size,
    table,
    wire::{self, StatusReport},
};

pub(crate) fn run(args: &StatusArgs) -> Result<(), Error> {
    let report: StatusReport =
        super::ask(&args.cluster, async |client, _| Ok(client.get(wire::STATUS).await?))?;
    super::show(&report, args.output, text)
}

fn text(report: &StatusReport) -> String {
    let number = |number: u64| number.to_string();
    let rows: Vec<Vec<String>> = [
        ("node", report.node.to_string()),
        ("cluster", report.cluster.to_string()),
        ("version", format!("{} (Kubernetes API {})", report.version, report.kubernetes_version)),
        ("API address", report.api_address.clone()),
        ("role", report.role.clone()),
        ("leader", report.leader.map_or("none".to_owned(), |leader| leader.to_string())),
        ("health", report.health.clone()),
        ("term", number(report.term)),
        ("committed", number(report.committed)),
        ("applied", number(report.applied)),
        ("revision", number(report.revision)),
        ("floor", number(report.floor)),
        ("stored", format!("{} of {}", Size(report.stored_bytes), Size(report.quota_bytes))),
    ]
    .into_iter()
    .map(|(name, value)| vec![name.to_owned(), value])
    .collect();
    let mut text = table::table(&rows);
    for link in &report.links {
        let state = link.down.as_ref().map_or("up".to_owned(), |why| format!("down ({why})"));
        let _ = writeln!(text, "link to {}, {}: {state}", link.node, link.lane);
    }
    for alarm in &report.alarms {
        let _ = writeln!(text, "ALARM: {alarm}");
    }
    text
}
