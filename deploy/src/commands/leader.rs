//! `pintle leader`: moves leadership.

use crate::{
    cli::{LeaderArgs, LeaderCommand},
    error::Error,
    print::print,
    wire::{self, LeaderAnswer, LeaderRequest},
};

pub(crate) fn run(args: &LeaderArgs) -> Result<(), Error> {
    let LeaderCommand::Transfer { id, cluster } = &args.command;
    let answer: LeaderAnswer = super::ask(cluster, async |client, _| {
        Ok(client.post(wire::LEADER, &LeaderRequest { to: *id }).await?)
    })?;
    print(&format!("node {} leads\n", answer.leader));
    Ok(())
}
