//! Asks a reference API server and another one the same and prints where their answers differ. `e2e/compare` starts both.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, ValueEnum};
use pintle_e2e::{
    differential::{Mode, Report, Servers, cases, long_cases},
    kubeconfig::Kubeconfig,
    load::{Error, Result, target::Target},
};
use serde_json::Value;

/// Ask two API servers the same and say where their answers differ.
///
/// Every document is sent as a dry run, and again with each field left out, null, of another type, empty, malformed,
/// too long, negative or doubled; with --items, with each list long. Causes that only one server gives, and other codes, warnings, defaults and managed
/// fields are differences; uids, times and how struct values are printed are not.
#[derive(Parser)]
struct Arguments {
    /// The server that is right.
    #[arg(long, value_name = "FILE")]
    reference: PathBuf,

    /// The server that is tried.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,

    /// What to ask; all but create make each document first and delete it afterwards.
    #[arg(long, value_enum, default_value = "create")]
    mode: Asked,

    /// Instead of making fields wrong, make each list and map of strings this long.
    #[arg(long, value_name = "COUNT")]
    items: Option<usize>,

    /// Ask only for documents of this kind; may be repeated.
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,

    /// YAML files of valid documents.
    #[arg(required = true, value_name = "FILE")]
    documents: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Asked {
    /// POST of each case.
    Create,
    /// PUT of each case.
    Update,
    /// Strategic merge patch with each case.
    Patch,
    /// Server-side apply of each case.
    Apply,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("differential: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let read = |path: &PathBuf| Kubeconfig::read(path).map_err(unreadable(path));
    let (reference, other) = (read(&arguments.reference)?, read(&arguments.kubeconfig)?);
    if reference.server == other.server {
        return Err(Error::Kubeconfig(
            "both lead to the same server: name another with --reference".to_owned(),
        ));
    }
    let target = |kubeconfig| Target::new(kubeconfig, Vec::new());
    let mut servers = Servers::connect(target(&reference)?, target(&other)?).await?;
    let mode = match arguments.mode {
        Asked::Create => Mode::Create,
        Asked::Update => Mode::Update,
        Asked::Patch => Mode::Patch,
        Asked::Apply => Mode::Apply,
    };
    let (mut asked, mut differing) = (0, 0);
    for path in &arguments.documents {
        let text = std::fs::read_to_string(path).map_err(unreadable(path))?;
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
            .map_err(|error| Error::Kubeconfig(format!("{}: {error}", path.display())))?;
        for document in &documents {
            let kind = document["kind"].as_str().unwrap_or_default();
            if !arguments.kind.is_empty() && !arguments.kind.iter().any(|asked| asked == kind) {
                continue;
            }
            let cases = match arguments.items {
                None => cases(document),
                Some(items) => long_cases(document, items),
            };
            let report = servers.compare(document, cases, mode).await?;
            asked += report.asked;
            differing += print(kind, &report);
        }
    }
    println!("{differing} of {asked} answers differ");
    Ok(())
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let what = format!("reading {}", path.display());
    move |source| Error::Io { what, source }
}

/// Prints the groups of a document's differences; answers how many cases differ.
fn print(kind: &str, report: &Report) -> usize {
    const SHOWN: usize = 400;
    let cut = |text: &str| text.chars().take(SHOWN).collect::<String>();
    let differing = report.groups.values().map(|group| group.changes.len()).sum();
    print!("{kind}: {differing} of {} differ", report.asked);
    if let Some(slowest) = &report.slowest {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let (reference, other) = (millis(slowest.reference), millis(slowest.other));
        print!("; slowest: {}, {other:.1} ms (reference: {reference:.1} ms)", slowest.change);
    }
    println!();
    if let Some(refusal) = &report.refusal {
        println!("  the reference refuses the document itself: {}", cut(refusal));
    }
    for group in report.groups.values() {
        let more = group.changes.len().saturating_sub(3);
        let first: Vec<&str> = group.changes.iter().take(3).map(String::as_str).collect();
        println!(
            "  {}{}",
            first.join(", "),
            if more > 0 { format!(" and {more} more") } else { String::new() }
        );
        for difference in group.differences.iter().take(3) {
            println!("    {}", difference.place);
            println!("      reference: {}", cut(&difference.reference));
            println!("      other:     {}", cut(&difference.other));
        }
    }
    differing
}
