//! `pintle kubeconfig`: a kubeconfig for a user, on standard output. It needs the data directory, not a running
//! server, and changes nothing.

use std::io;

use pintle_certs::{Pki, server_of};

use crate::{cli::KubeconfigArgs, clock, error::Error, layout};

pub(crate) fn run(args: &KubeconfigArgs) -> Result<(), Error> {
    let now = clock::now();
    let pki = Pki::open(&layout::pki(&args.data_dir), now)?;
    let admin = layout::admin_kubeconfig(&args.data_dir);
    let server = match &args.server {
        Some(server) => server.clone(),
        None => server_of(&admin)?.ok_or(Error::ServerUnknown { path: admin })?,
    };
    pki.kubeconfig(&args.user, &args.groups, &server)?.write_to(&mut io::stdout().lock(), now)?;
    Ok(())
}
