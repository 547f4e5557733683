//! The table that a run prints, one row a scenario, as it goes.

use std::time::Duration;

use super::{closed_loop::Measured, target::Usage};

const WIDTHS: [usize; 8] = [54, 11, 8, 14, 24, 12, 14, 24];

/// One scenario's row. Empty cells are printed empty.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What was done.
    pub scenario: String,
    /// Connections to the server.
    pub connections: Option<usize>,
    /// Clients or watchers.
    pub clients: Option<usize>,
    /// Operations (or events) a second, or a time.
    pub rate: String,
    /// p50, p99 and p99.9 in milliseconds.
    pub latency: String,
    /// Server processor time per operation.
    pub processor: String,
    /// Peak resident memory of the server.
    pub memory: String,
    /// What else is worth saying.
    pub note: String,
}

impl Row {
    /// The row of a closed loop.
    pub fn of(scenario: &str, measured: Measured) -> Row {
        let operations = measured.latencies.count();
        let seconds = measured.elapsed.as_secs_f64();
        let processor = measured.usage.map(|usage| per(usage.processor, operations));
        Row {
            scenario: scenario.to_owned(),
            connections: Some(measured.clients.connections),
            clients: Some(measured.clients.clients),
            rate: format!("{}/s", number(operations as f64 / seconds)),
            latency: latency(measured.latencies.percentiles([0.5, 0.99, 0.999])),
            processor: processor.unwrap_or_default(),
            memory: measured.usage.map(peak).unwrap_or_default(),
            note: String::new(),
        }
    }

    /// The same with a note.
    pub fn note(mut self, note: impl Into<String>) -> Row {
        self.note = note.into();
        self
    }
}

/// The server's processor time per operation, as a cell.
pub fn per(processor: Duration, operations: usize) -> String {
    let microseconds = processor.as_secs_f64() * 1e6 / operations.max(1) as f64;
    if microseconds >= 10_000.0 {
        format!("{:.1} ms", microseconds / 1e3)
    } else if microseconds >= 100.0 {
        format!("{microseconds:.0} us")
    } else {
        format!("{microseconds:.1} us")
    }
}

/// Percentiles as a cell, in milliseconds.
pub fn latency(percentiles: [Duration; 3]) -> String {
    let cells = percentiles.map(|latency| {
        let milliseconds = latency.as_secs_f64() * 1e3;
        if milliseconds >= 100.0 { format!("{milliseconds:.0}") } else { format!("{milliseconds:.2}") }
    });
    cells.join(" / ")
}

/// Bytes as a cell.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// The peak as a cell.
pub fn peak(usage: Usage) -> String {
    megabytes(usage.memory.peak)
}

/// A number with thousands separated, or with a decimal when it is small.
pub fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Prints the heading.
pub fn print_heading() {
    let heads =
        ["scenario", "connections", "clients", "rate", "p50 / p99 / p99.9 ms", "server CPU", "peak RSS", ""];
    print_cells(heads.map(str::to_owned));
    print_cells(WIDTHS.map(|width| "-".repeat(width)));
}

/// Prints a row at once, so that a run that is ended early has shown what it knows.
pub fn print(row: &Row) {
    let count = |count: Option<usize>| count.map(number_of).unwrap_or_default();
    print_cells([
        row.scenario.clone(),
        count(row.connections),
        count(row.clients),
        row.rate.clone(),
        row.latency.clone(),
        row.processor.clone(),
        row.memory.clone(),
        row.note.clone(),
    ]);
}

fn number_of(count: usize) -> String {
    if count < 100 { count.to_string() } else { number(count as f64) }
}

fn print_cells(cells: [String; 8]) {
    let mut line = String::from("|");
    for (cell, width) in cells.iter().zip(WIDTHS) {
        line.push_str(&format!(" {cell:<width$} |"));
    }
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let numbers = [1.25, 99.96, 100.0, 1234.6, 1_234_567.0];
        assert_eq!(numbers.map(number), ["1.2", "100.0", "100", "1,235", "1,234,567"]);
    }

    #[test]
    fn processor_time_is_divided_by_operations() {
        assert_eq!(per(Duration::from_secs(1), 20_000), "50.0 us");
        assert_eq!(per(Duration::from_secs(1), 4), "250.0 ms");
        assert_eq!(per(Duration::from_millis(10), 0), "10.0 ms");
    }
}
