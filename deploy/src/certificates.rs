//! `pintle certs`: shows the certificates of a data directory and makes them anew. It needs no running server; one that
//! runs takes new files from the disk by itself.

use std::process::ExitCode;

use pintle_certs::{Entry, Inventory};

use crate::{
    cli::{CertsArgs, CertsCommand},
    clock,
    error::Error,
    layout,
    print::print,
    table,
};

/// Fails, beside the errors, when a certificate has a problem, so that a check can be watched by a timer.
pub(crate) fn run(args: &CertsArgs) -> Result<ExitCode, Error> {
    match &args.command {
        CertsCommand::Check(args) => {
            let entries = inventory(&args.data_dir).check(clock::now());
            print(&table(&entries));
            let good = entries.iter().all(|entry| entry.problem.is_none());
            Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        CertsCommand::Renew(args) => {
            let name = Some(args.name.as_str()).filter(|name| *name != ALL);
            let renewed = inventory(&args.data_dir).renew(name, clock::now())?;
            print(&renewed.iter().map(|name| format!("{name}: renewed\n")).collect::<String>());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What `renew` is told to renew everything.
const ALL: &str = "all";

fn inventory(data_dir: &std::path::Path) -> Inventory {
    Inventory { pki: layout::pki(data_dir), admin_kubeconfig: layout::admin_kubeconfig(data_dir) }
}

fn table(entries: &[Entry]) -> String {
    let heading = table::row(["CERTIFICATE", "SUBJECT", "AUTHORITY", "EXPIRES", "DAYS LEFT", "STATE"]);
    table::table(&[heading].into_iter().chain(entries.iter().map(row)).collect::<Vec<_>>())
}

fn row(entry: &Entry) -> Vec<String> {
    let said = |say: fn(&pintle_certs::Content) -> String| entry.content.as_ref().map_or("-".to_owned(), say);
    vec![
        entry.name.to_owned(),
        said(|content| content.subject.clone()),
        entry.authority.to_owned(),
        said(|content| content.expires.to_string()),
        said(|content| content.days_left.to_string()),
        entry.problem.map_or("good".to_owned(), |problem| problem.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use pintle_certs::{Content, Problem};

    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let content = |subject: &str, days_left| {
            let expires = "2027-01-01T00:00:00Z".parse().unwrap();
            Some(Content { subject: subject.to_owned(), expires, days_left })
        };
        let entry =
            |name, content, problem| Entry { name, path: "x".into(), authority: "ca", content, problem };
        let entries = [
            entry("ca", content("CN=kubernetes-ca", 3649), None),
            entry(
                "apiserver-kubelet-client",
                content("O=system:masters, CN=kubelet", -1),
                Some(Problem::Expired),
            ),
            entry("apiserver", None, Some(Problem::Missing)),
        ];
        let expected = "\
CERTIFICATE                SUBJECT                        AUTHORITY   EXPIRES                DAYS LEFT   STATE
ca                         CN=kubernetes-ca               ca          2027-01-01T00:00:00Z   3649        good
apiserver-kubelet-client   O=system:masters, CN=kubelet   ca          2027-01-01T00:00:00Z   -1          expired
apiserver                  -                              ca          -                      -           missing
";
        assert_eq!(table(&entries), expected);
    }
}
