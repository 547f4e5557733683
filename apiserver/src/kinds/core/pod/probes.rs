//! Probes and life-cycle hooks of containers, and the handlers that both have.

use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::names;
use crate::tree::Map;

const PROBE_HANDLERS: &[&str] = &["exec", "httpGet", "tcpSocket", "grpc"];
const HOOK_HANDLERS: &[&str] = &["exec", "httpGet", "tcpSocket", "sleep"];

/// Reports what is wrong with a container's three probes and its life cycle.
pub(super) fn validate(
    container: &Map,
    grace_period: Option<i64>,
    os: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(lifecycle) = container.map("lifecycle") {
        validate_lifecycle(lifecycle, grace_period, os, &path.child("lifecycle"), errors);
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.map(name) else { continue };
        let path = path.child(name);
        validate_probe(probe, grace_period, &path, errors);
        if name == "readinessProbe" {
            if let Some(seconds) = probe.int("terminationGracePeriodSeconds") {
                let detail = "must not be set for readinessProbes";
                errors.invalid(&path.child("terminationGracePeriodSeconds"), seconds, detail);
            }
        } else {
            let threshold = probe.int("successThreshold").unwrap_or(0);
            if threshold != 1 {
                errors.invalid(&path.child("successThreshold"), threshold, "must be 1");
            }
        }
    }
}

fn validate_probe(probe: &Map, grace_period: Option<i64>, path: &Path<'_>, errors: &mut FieldErrors) {
    validate_handler(probe, PROBE_HANDLERS, grace_period, path, errors);
    let numbers =
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
    rules::non_negative(probe, &numbers, path, errors);
    if let Some(seconds) = probe.int("terminationGracePeriodSeconds").filter(|seconds| *seconds <= 0) {
        errors.invalid(&path.child("terminationGracePeriodSeconds"), seconds, "must be greater than 0");
    }
}

fn validate_lifecycle(
    lifecycle: &Map,
    grace_period: Option<i64>,
    os: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    for hook in ["postStart", "preStop"] {
        if let Some(handler) = lifecycle.map(hook) {
            validate_handler(handler, HOOK_HANDLERS, grace_period, &path.child(hook), errors);
        }
    }
    if lifecycle.contains("stopSignal") {
        let path_to_signal = path.child("stopSignal");
        match os {
            "" => {
                errors.forbidden(&path_to_signal, "may not be set for containers with empty `spec.os.name`")
            }
            "windows" => rules::choice(lifecycle, "stopSignal", &["SIGKILL", "SIGTERM"], path, errors),
            _ => validate_signal(lifecycle.str("stopSignal"), &path_to_signal, errors),
        }
    }
}

fn validate_signal(signal: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    const SIGNALS: &[&str] = &[
        "SIGABRT",
        "SIGALRM",
        "SIGBUS",
        "SIGCHLD",
        "SIGCLD",
        "SIGCONT",
        "SIGFPE",
        "SIGHUP",
        "SIGILL",
        "SIGINT",
        "SIGIO",
        "SIGIOT",
        "SIGKILL",
        "SIGPIPE",
        "SIGPOLL",
        "SIGPROF",
        "SIGPWR",
        "SIGQUIT",
        "SIGSEGV",
        "SIGSTKFLT",
        "SIGSTOP",
        "SIGSYS",
        "SIGTERM",
        "SIGTRAP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGUSR1",
        "SIGUSR2",
        "SIGVTALRM",
        "SIGWINCH",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGRTMIN",
        "SIGRTMAX",
    ];
    let real_time: Vec<String> =
        (1..=15).map(|n| format!("SIGRTMIN+{n}")).chain((1..=14).map(|n| format!("SIGRTMAX-{n}"))).collect();
    let supported: Vec<&str> = SIGNALS.iter().copied().chain(real_time.iter().map(String::as_str)).collect();
    if !supported.contains(&signal) {
        errors.not_supported(path, signal, &supported);
    }
}

fn validate_handler(
    handler: &Map,
    kinds: &[&str],
    grace_period: Option<i64>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let mut found = false;
    for kind in kinds {
        let Some(action) = handler.map(kind) else { continue };
        let path = path.child(kind);
        if found {
            errors.forbidden(&path, "may not specify more than 1 handler type");
            continue;
        }
        found = true;
        match *kind {
            "exec" if action.list("command").is_empty() => errors.required(&path.child("command"), ""),
            "httpGet" => validate_http(action, &path, errors),
            "tcpSocket" => rules::port(action.get("port"), &path.child("port"), errors),
            "grpc" => {
                rules::port_number(action.int("port").unwrap_or(0), &path.child("port"), errors);
                rules::choice(action, "mode", &["Plaintext", "TLS"], &path, errors);
            }
            "sleep" => validate_sleep(action, grace_period, &path, errors),
            _ => {}
        }
    }
    if !found {
        errors.required(path, "must specify a handler type");
    }
}

fn validate_http(http: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    rules::require_text(http, "path", path, errors);
    rules::port(http.get("port"), &path.child("port"), errors);
    let scheme = http.str("scheme");
    if !matches!(scheme, "HTTP" | "HTTPS") {
        errors.not_supported(&path.child("scheme"), scheme, &["HTTP", "HTTPS"]);
    }
    for header in http.maps("httpHeaders") {
        let name = header.str("name");
        names::report(errors, &path.child("httpHeaders"), name, names::text::header_name(name));
    }
    rules::choice(http, "protocol", &["HTTP1", "HTTP2"], path, errors);
    if http.str("protocol") == "HTTP2" {
        if scheme != "HTTP" {
            errors.invalid(&path.child("protocol"), "HTTP2", "is only supported with HTTP (H2C)");
        } else if !http.str("host").is_empty() {
            errors.invalid(
                &path.child("host"),
                http.str("host"),
                "must be empty when `protocol` is \"HTTP2\"",
            );
        }
    }
}

fn validate_sleep(sleep: &Map, grace_period: Option<i64>, path: &Path<'_>, errors: &mut FieldErrors) {
    let seconds = sleep.int("seconds").unwrap_or(0);
    if let Some(grace) = grace_period.filter(|grace| seconds < 0 || seconds > *grace) {
        let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.invalid(path, seconds, detail);
    }
}
