//! `pintle members` and `pintle member`: who belongs to the cluster, and how they are.

use crate::{
    cli::{MemberArgs, MemberCommand, MembersArgs},
    error::Error,
    print::print,
    table,
    wire::{self, MembersReport},
};

pub(crate) fn list(args: &MembersArgs) -> Result<(), Error> {
    let report: MembersReport =
        super::ask(&args.cluster, async |client, _| Ok(client.get(wire::MEMBERS).await?))?;
    super::show(&report, args.output, members_table)
}

pub(crate) fn change(args: &MemberArgs) -> Result<(), Error> {
    let MemberCommand::Remove { id, cluster } = &args.command;
    let path = format!("{}/{id}", wire::MEMBERS);
    super::ask(cluster, async |client, _| Ok(client.delete(&path).await?))?;
    print(&format!("node {id} removed\n"));
    Ok(())
}

fn members_table(report: &MembersReport) -> String {
    let heading = table::row([
        "ID",
        "PEER ADDRESS",
        "API ADDRESS",
        "ROLE",
        "LEADER",
        "APPLIED",
        "LAG",
        "HEALTH",
        "VERSION",
    ]);
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let rows = report.members.iter().map(|member| {
        vec![
            member.id.to_string(),
            or_none(&member.peer_address),
            or_none(member.api_address.as_deref().unwrap_or_default()),
            member.role.clone(),
            (if member.leader { "yes" } else { "no" }).to_owned(),
            number(member.applied),
            number(member.lag),
            member.health.clone(),
            or_none(member.version.as_deref().unwrap_or_default()),
        ]
    });
    table::table(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}
