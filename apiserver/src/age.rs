//! Ages and durations as `kubectl get` prints them.

/// The age of something created at an RFC 3339 time, in words; `<unknown>` when the time is absent or unreadable.
pub fn age(created: &str, now_seconds: i64) -> String {
    match created.parse::<jiff::Timestamp>() {
        Ok(time) => human_duration(now_seconds - time.as_second()),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// As [`age`], of a value that need not be a time; `<invalid>` when it is none.
pub fn age_or_invalid(text: &str, now_seconds: i64) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => human_duration(now_seconds - time.as_second()),
        Err(_) => "<invalid>".to_owned(),
    }
}

/// A duration in the two most telling units: `45s`, `3m5s`, `5h30m`, `3d4h`, `2y10d`.
pub fn human_duration(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{large}{large_unit}")
        } else {
            format!("{large}{large_unit}{small}{small_unit}")
        }
    };
    match seconds {
        i64::MIN..=-2 => "<invalid>".to_owned(),
        -1..=0 => "0s".to_owned(),
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 10 * MINUTE => two(s / MINUTE, "m", s % MINUTE, "s"),
        s if s < 3 * HOUR => format!("{}m", s / MINUTE),
        s if s < 8 * HOUR => two(s / HOUR, "h", s % HOUR / MINUTE, "m"),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 8 * DAY => two(s / DAY, "d", s % DAY / HOUR, "h"),
        s if s < 2 * YEAR => format!("{}d", s / DAY),
        s if s < 8 * YEAR => two(s / YEAR, "y", s % YEAR / DAY, "d"),
        s => format!("{}y", s / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::human_duration;

    #[test]
    fn durations_print_their_most_telling_units() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (185, "3m5s"),
            (600, "10m"),
            (10_799, "179m"),
            (19_800, "5h30m"),
            (100_000, "27h"),
            (273_600, "3d4h"),
            (864_000, "10d"),
            (63_936_000, "2y10d"),
        ] {
            assert_eq!(human_duration(seconds), text);
        }
    }
}
