//! `pintle certs`: shows the certificates of a data directory and makes them anew. It needs no running server; one that
//! runs takes new files from the disk by itself.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use pintle_certs::{Entry, Inventory};

use crate::{
    cli::{CertsArgs, CertsCommand},
    clock,
    error::Error,
    layout,
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

/// A closed standard output is no error: whoever reads has seen enough.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Columns as wide as what is in them.
fn table(entries: &[Entry]) -> String {
    let heading = ["CERTIFICATE", "SUBJECT", "AUTHORITY", "EXPIRES", "DAYS LEFT", "STATE"].map(str::to_owned);
    let rows: Vec<_> = [heading].into_iter().chain(entries.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("   ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(entry: &Entry) -> [String; 6] {
    let said = |say: fn(&pintle_certs::Content) -> String| entry.content.as_ref().map_or("-".to_owned(), say);
    [
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
