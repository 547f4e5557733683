//! What the kernel says of this process.
//!
//! Keeps: a figure that cannot be read is left out.

use std::fs;

use super::exposition::Samples;

/// Ticks per second in `/proc`: a constant of Linux' interface, whatever the kernel's own rate is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Writes the `process_*` samples.
pub(super) fn write(samples: &mut Samples) {
    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        write_stat(&stat, &fs::read_to_string("/proc/stat").unwrap_or_default(), samples);
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        for (name, key, help) in [
            ("process_resident_memory_bytes", "VmRSS:", "Resident memory in bytes"),
            ("process_virtual_memory_bytes", "VmSize:", "Virtual memory in bytes"),
        ] {
            if let Some(kilobytes) = field(&status, key) {
                samples.gauge(name, help, kilobytes * 1024.0);
            }
        }
        if let Some(threads) = field(&status, "Threads:") {
            samples.gauge("process_threads", "Threads of the process", threads);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        samples.gauge("process_open_fds", "Open file descriptors", open.count() as f64);
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(limit) = field(&limits, "Max open files") {
        samples.gauge("process_max_fds", "The most file descriptors that may be open", limit);
    }
}

/// The number behind the first line that begins with `key`.
fn field(text: &str, key: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

fn write_stat(stat: &str, system: &str, samples: &mut Samples) {
    // The name in parentheses may hold spaces; what follows it does not. The third field is the first behind it.
    let Some((_, rest)) = stat.rsplit_once(')') else { return };
    let fields: Vec<f64> =
        rest.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0.0)).collect();
    if let (Some(user), Some(kernel)) = (fields.get(10), fields.get(11)) {
        let seconds = (user + kernel) / TICKS_PER_SECOND;
        samples.counter("process_cpu_seconds_total", "User and system CPU time in seconds", seconds);
    }
    if let (Some(start), Some(boot)) = (fields.get(18), field(system, "btime")) {
        let seconds = boot + start / TICKS_PER_SECOND;
        samples.gauge("process_start_time_seconds", "When the process started, in Unix seconds", seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_and_start_are_read_behind_the_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 1000 1 1";
        let mut samples = Samples::default();
        write_stat(stat, "cpu 1 2\nbtime 1700000000\n", &mut samples);
        let text = samples.into_text();
        assert!(text.contains("process_cpu_seconds_total 3\n"), "{text}");
        assert!(text.contains("process_start_time_seconds 1700000010\n"), "{text}");
    }

    #[test]
    fn the_running_process_has_memory_and_files() {
        let mut samples = Samples::default();
        write(&mut samples);
        let text = samples.into_text();
        for name in ["process_resident_memory_bytes ", "process_open_fds ", "process_max_fds "] {
            assert!(text.contains(&format!("\n{name}")), "{name}: {text}");
        }
    }
}
