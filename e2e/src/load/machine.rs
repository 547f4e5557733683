//! How fast the machine is, so that tables of different machines can be compared.

use std::{hint::black_box, time::Duration};

use super::{clock::Moment, objects::Template, table::Row};

const TIME: Duration = Duration::from_millis(500);

/// Parses a Pod over and over on one core, while nothing else runs here.
pub fn row() -> Row {
    let pod = Template::pod().fill(["pod-0", "0", "stable", "0"]);
    let began = Moment::now();
    let mut bytes = 0;
    while began.elapsed() < TIME {
        let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&pod);
        bytes += if black_box(parsed).is_ok() { pod.len() } else { 0 };
    }
    Row {
        scenario: "this machine: serde_json parses a Pod, one core".to_owned(),
        rate: format!("{:.0} MB/s", bytes as f64 / 1e6 / began.elapsed().as_secs_f64()),
        ..Row::default()
    }
}
