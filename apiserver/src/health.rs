//! The texts of `/livez`, `/readyz` and `/healthz`, given the checks' results.
//!
//! Keeps: upstream's format, which probes and people read; why a check failed is never told to a client.

use std::fmt::Write as _;

/// The outcome of a named check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check<'a> {
    /// `ping`, `log`, `poststarthook/rbac/bootstrap-roles` …
    pub name: &'a str,
    /// It passed.
    pub passed: bool,
    /// Whether the endpoint fails with it. What a server goes on with, as reads do when the disk is full, is shown only.
    pub counts: bool,
}

impl<'a> Check<'a> {
    /// A check that the endpoint fails with.
    pub fn counting(name: &'a str, passed: bool) -> Check<'a> {
        Check { name, passed, counts: true }
    }

    /// A check that is shown only.
    pub fn shown(name: &'a str, passed: bool) -> Check<'a> {
        Check { name, passed, counts: false }
    }
}

/// What a client is told; plain text, `text/plain; charset=utf-8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Every check that counts passed. Otherwise the answer is an internal server error.
    pub passed: bool,
    /// The body.
    pub text: String,
}

/// What a client asks of a health endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// `?verbose`
    pub verbose: bool,
    /// Each `?exclude=name`.
    pub excluded: &'a [&'a str],
}

/// The report of `endpoint` (`livez`, `readyz`, `healthz`) over all of its checks.
pub fn report(endpoint: &str, checks: &[Check<'_>], question: Question<'_>) -> Report {
    let mut text = String::new();
    let mut passed = true;
    for check in checks {
        let outcome = match check {
            Check { name, .. } if question.excluded.contains(name) => "excluded: ok",
            Check { passed: true, .. } => "ok",
            Check { passed: false, counts, .. } => {
                passed &= !counts;
                "failed: reason withheld"
            }
        };
        let mark = if outcome.ends_with("ok") { '+' } else { '-' };
        writeln!(text, "[{mark}]{} {outcome}", check.name).expect("a string takes every write");
    }
    let mut unmatched: Vec<String> = question
        .excluded
        .iter()
        .filter(|excluded| checks.iter().all(|check| check.name != **excluded))
        .map(|excluded| format!("{excluded:?}"))
        .collect();
    if !unmatched.is_empty() {
        unmatched.sort();
        let names = unmatched.join(",");
        writeln!(text, "warn: some health checks cannot be excluded: no matches for {names}")
            .expect("a string takes every write");
    }
    match (passed, question.verbose) {
        (false, _) => text.push_str(&format!("{endpoint} check failed\n")),
        (true, true) => text.push_str(&format!("{endpoint} check passed\n")),
        (true, false) => "ok".clone_into(&mut text),
    }
    Report { passed, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Check<'_> = Check { name: "ping", passed: true, counts: true };
    const GOOD: &[Check<'_>] = &[PING, Check { name: "log", ..PING }];
    const BAD: &[Check<'_>] = &[PING, Check { name: "etcd", passed: false, ..PING }];

    fn text(checks: &[Check<'_>], verbose: bool, excluded: &[&str]) -> (bool, String) {
        let report = report("readyz", checks, Question { verbose, excluded });
        (report.passed, report.text)
    }

    #[test]
    fn a_healthy_server_says_ok() {
        assert_eq!(text(GOOD, false, &[]), (true, "ok".to_owned()));
    }

    #[test]
    fn verbose_lists_every_check() {
        assert_eq!(text(GOOD, true, &[]), (true, "[+]ping ok\n[+]log ok\nreadyz check passed\n".to_owned()));
    }

    #[test]
    fn a_failed_check_is_listed_without_its_reason() {
        assert_eq!(
            text(BAD, false, &[]),
            (false, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n".to_owned())
        );
    }

    #[test]
    fn what_does_not_count_is_listed_and_fails_nothing() {
        let checks = [PING, Check::shown("disk", false)];
        assert_eq!(text(&checks, false, &[]), (true, "ok".to_owned()));
        let verbose = "[+]ping ok\n[-]disk failed: reason withheld\nreadyz check passed\n";
        assert_eq!(text(&checks, true, &[]), (true, verbose.to_owned()));
    }

    #[test]
    fn an_excluded_check_does_not_count() {
        assert_eq!(
            text(BAD, true, &["etcd"]),
            (true, "[+]ping ok\n[+]etcd excluded: ok\nreadyz check passed\n".to_owned())
        );
    }

    #[test]
    fn an_exclusion_that_matches_nothing_is_warned_about() {
        let (passed, text) = text(GOOD, true, &["x"]);
        assert!(passed);
        assert!(
            text.contains("warn: some health checks cannot be excluded: no matches for \"x\"\n"),
            "{text}"
        );
    }
}
