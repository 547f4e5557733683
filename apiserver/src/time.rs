//! Times and durations as the API writes them.
//!
//! Keeps: the text of a time is RFC 3339 in UTC, whole seconds or exactly six decimals; the zero time is absent.

use ecow::{EcoString, eco_format};

/// A moment: seconds since 1970 and nanoseconds within the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// Why a text is no time or duration, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TimeError(pub EcoString);

/// Go's zero time, year 1.
const ZERO_SECONDS: i64 = -62_135_596_800;
const SECONDS_LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
const MICROS_LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";

/// The canonical text of a time with whole seconds; `None` for the zero time.
pub fn canonical(text: &str) -> Result<Option<EcoString>, TimeError> {
    if is_canonical(text) {
        return Ok(Some(text.into()));
    }
    let moment = parse(text)?;
    Ok((moment.seconds != ZERO_SECONDS).then(|| format_seconds(moment.seconds)))
}

/// The canonical text of a time with six decimals; `None` for the zero time.
pub fn canonical_micros(text: &str) -> Result<Option<EcoString>, TimeError> {
    let moment = parse_micros(text)?;
    Ok((moment.seconds != ZERO_SECONDS || moment.nanos != 0).then(|| format_micros(moment)))
}

/// Whether a text is a time with whole seconds in its canonical form, and not the zero time.
pub(crate) fn is_canonical(text: &str) -> bool {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', n0, n1, b':', s0, s1, b'Z'] =
        text.as_bytes()
    else {
        return false;
    };
    let digits = [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, n0, n1, s0, s1];
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let two = |tens: u8, ones: u8| u32::from(tens - b'0') * 10 + u32::from(ones - b'0');
    let year = two(y0, y1) * 100 + two(y2, y3);
    let (month, day) = (two(m0, m1), two(d0, d1));
    (1..=12).contains(&month)
        && (1..=days_in(year.into(), month)).contains(&day)
        && two(h0, h1) < 24
        && two(n0, n1) < 60
        && two(s0, s1) < 60
        && !text.starts_with("0001-01-01T00:00:00")
}

/// Reads RFC 3339 with any offset and fraction.
pub fn parse(text: &str) -> Result<Moment, TimeError> {
    Reader { text, rest: text, layout: SECONDS_LAYOUT }.moment(false)
}

/// Reads RFC 3339 with any offset and exactly six decimals.
pub fn parse_micros(text: &str) -> Result<Moment, TimeError> {
    Reader { text, rest: text, layout: MICROS_LAYOUT }.moment(true)
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    layout: &'static str,
}

impl Reader<'_> {
    fn moment(&mut self, micros: bool) -> Result<Moment, TimeError> {
        let year = self.number(4, "2006")?;
        self.literal("-")?;
        let month = self.number(2, "01")?;
        if !(1..=12).contains(&month) {
            return Err(self.range("month"));
        }
        self.literal("-")?;
        let day = self.number(2, "02")?;
        self.literal("T")?;
        let hour = self.limited(24, "15", "hour")?;
        self.literal(":")?;
        let minute = self.limited(60, "04", "minute")?;
        self.literal(":")?;
        let second = self.limited(60, "05", "second")?;
        let nanos = if micros { self.six_decimals()? } else { self.fraction() };
        let offset = self.offset()?;
        if !self.rest.is_empty() {
            return Err(self.error(&eco_format!(": extra text: {:?}", self.rest)));
        }
        if day < 1 || day > days_in(year.into(), month) {
            return Err(self.range("day"));
        }
        let days = days_from_civil(year.into(), month, day);
        let seconds = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - offset;
        Ok(Moment { seconds, nanos })
    }

    fn error(&self, what: &str) -> TimeError {
        TimeError(eco_format!("parsing time {:?}{what}", self.text))
    }

    fn range(&self, what: &str) -> TimeError {
        self.error(&eco_format!(": {what} out of range"))
    }

    fn cannot(&self, element: &str) -> TimeError {
        let (layout, rest) = (self.layout, self.rest);
        self.error(&eco_format!(" as {layout:?}: cannot parse {rest:?} as {element:?}"))
    }

    fn number(&mut self, digits: usize, element: &str) -> Result<u32, TimeError> {
        let head = self.rest.as_bytes().get(..digits).filter(|head| head.iter().all(u8::is_ascii_digit));
        let head = head.ok_or_else(|| self.cannot(element))?;
        let value = head.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        self.rest = &self.rest[digits..];
        Ok(value)
    }

    fn limited(&mut self, limit: u32, element: &str, what: &str) -> Result<u32, TimeError> {
        // Go takes an hour of one digit.
        let is_short =
            element == "15" && self.rest.as_bytes().get(1).is_none_or(|byte| !byte.is_ascii_digit());
        let value = self.number(if is_short { 1 } else { 2 }, element)?;
        if value < limit { Ok(value) } else { Err(self.range(what)) }
    }

    fn literal(&mut self, literal: &str) -> Result<(), TimeError> {
        self.rest = self.rest.strip_prefix(literal).ok_or_else(|| self.cannot(literal))?;
        Ok(())
    }

    fn fraction(&mut self) -> u32 {
        let Some(rest) = self.rest.strip_prefix(['.', ',']) else { return 0 };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return 0;
        }
        let (fraction, rest) = rest.split_at(digits);
        self.rest = rest;
        nanos_of(fraction)
    }

    fn six_decimals(&mut self) -> Result<u32, TimeError> {
        let rest = self.rest.strip_prefix(['.', ',']);
        let digits = rest.map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
        match rest {
            Some(rest) if digits == 6 => {
                let (fraction, rest) = rest.split_at(6);
                self.rest = rest;
                Ok(nanos_of(fraction))
            }
            _ => Err(self.cannot(".000000")),
        }
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Result<i64, TimeError> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let bytes = self.rest.as_bytes();
        let &[sign @ (b'+' | b'-'), h0, h1, b':', m0, m1, ..] = bytes else {
            return Err(self.cannot("Z07:00"));
        };
        if ![h0, h1, m0, m1].iter().all(u8::is_ascii_digit) {
            return Err(self.cannot("Z07:00"));
        }
        let two = |tens: u8, ones: u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
        let (hours, minutes) = (two(h0, h1), two(m0, m1));
        if hours > 24 {
            return Err(self.range("time zone offset hour"));
        }
        if minutes > 60 {
            return Err(self.range("time zone offset minute"));
        }
        self.rest = &self.rest[6..];
        let seconds = hours * 3600 + minutes * 60;
        Ok(if sign == b'-' { -seconds } else { seconds })
    }
}

fn nanos_of(fraction: &str) -> u32 {
    let mut nanos = 0;
    for place in 0..9 {
        let digit = fraction.as_bytes().get(place).map_or(0, |digit| u32::from(digit - b'0'));
        nanos = nanos * 10 + digit;
    }
    nanos
}

fn days_in(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    // Years begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = ((month_from_march + 2) % 12 + 1) as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The text of Unix seconds: `2006-01-02T15:04:05Z`.
pub fn format_seconds(seconds: i64) -> EcoString {
    let mut text = date_and_time(seconds);
    text.push('Z');
    text
}

/// The text of a moment with six decimals.
pub fn format_micros(moment: Moment) -> EcoString {
    let mut text = date_and_time(moment.seconds);
    let micros = moment.nanos / 1_000;
    text.push('.');
    for place in [100_000, 10_000, 1_000, 100, 10, 1] {
        text.push(char::from(b'0' + (micros / place % 10) as u8));
    }
    text.push('Z');
    text
}

fn date_and_time(seconds: i64) -> EcoString {
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    if !(0..=9_999).contains(&year) {
        return eco_format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        );
    }
    let mut digits = *b"0000-00-00T00:00:00";
    let mut put = |at: usize, value: i64| {
        digits[at] = b'0' + (value / 10 % 10) as u8;
        digits[at + 1] = b'0' + (value % 10) as u8;
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, month.into());
    put(8, day.into());
    put(11, second / 3600);
    put(14, second / 60 % 60);
    put(17, second % 60);
    let mut text = EcoString::with_capacity(27);
    text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
    text
}

/// The Unix seconds of a canonical time; `None` when it is none.
pub fn seconds_of(text: &str) -> Option<i64> {
    parse(text).ok().map(|moment| moment.seconds)
}

/// Reads a Go duration (`1h30m`, `1.5s`) as nanoseconds.
pub fn parse_duration(text: &str) -> Result<i64, TimeError> {
    let invalid = || TimeError(eco_format!("time: invalid duration {text:?}"));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(digits(rest));
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(digits(after)),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let nanos = match unit {
            "" => return Err(TimeError(eco_format!("time: missing unit in duration {text:?}"))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000_i128,
            _ => return Err(TimeError(eco_format!("time: unknown unit {unit:?} in duration {text:?}"))),
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        total = whole.checked_mul(nanos).and_then(|value| total.checked_add(value)).ok_or_else(invalid)?;
        let mut place = nanos;
        for digit in fraction.bytes() {
            // A digit adds its share exactly as long as the unit can be divided; the rest is below a nanosecond.
            total += i128::from(digit - b'0') * place / 10;
            place /= 10;
        }
        if total > i128::from(i64::MAX) + i128::from(negative) {
            return Err(invalid());
        }
        rest = after;
    }
    Ok(if negative { -total } else { total } as i64)
}

/// The text of nanoseconds as Go prints a duration: `1h0m0s`, `1.5s`, `250ms`.
pub fn format_duration(nanos: i64) -> EcoString {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    if magnitude == 0 {
        return "0s".into();
    }
    if magnitude < 1_000_000_000 {
        let (unit, name) = match magnitude {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return eco_format!("{sign}{}{name}", decimal(magnitude, unit));
    }
    let seconds = magnitude / 1_000_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let last = decimal(magnitude % 60_000_000_000, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => eco_format!("{sign}{last}s"),
        (0, _) => eco_format!("{sign}{minutes}m{last}s"),
        _ => eco_format!("{sign}{hours}h{minutes}m{last}s"),
    }
}

/// `value / unit` with its fraction, trailing zeros left out; `unit` is a power of ten.
fn decimal(value: u64, unit: u64) -> EcoString {
    let mut text = eco_format!("{}", value / unit);
    let mut rest = value % unit;
    if rest > 0 {
        text.push('.');
    }
    let mut place = unit;
    while rest > 0 {
        place /= 10;
        text.push(char::from(b'0' + (rest / place) as u8));
        rest %= place;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_utc_with_whole_seconds() {
        let cases = [
            ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
            ("2024-01-01T01:30:00+02:00", "2023-12-31T23:30:00Z"),
            ("2024-01-01T00:00:00.999999999-00:30", "2024-01-01T00:30:00Z"),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
            ("2024-01-01T00:00:00+00:00", "2024-01-01T00:00:00Z"),
            ("2024-01-01T7:00:00Z", "2024-01-01T07:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text).unwrap().unwrap(), expected);
        }
        assert_eq!(canonical("0001-01-01T00:00:00Z").unwrap(), None);
        assert_eq!(format_seconds(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(seconds_of("2023-11-14T22:13:20Z"), Some(1_700_000_000));
    }

    #[test]
    fn every_day_of_eight_centuries_survives_the_trip() {
        for day in -146_097..146_097 {
            let text = format_seconds(day * 86_400 + 3_661);
            assert_eq!(seconds_of(&text), Some(day * 86_400 + 3_661));
        }
    }

    #[test]
    fn what_is_no_time_is_refused_in_gos_words() {
        let cases = [
            ("x", r#"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#),
            (
                "2024-01-01",
                r#"parsing time "2024-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T""#,
            ),
            ("2024-13-01T00:00:00Z", r#"parsing time "2024-13-01T00:00:00Z": month out of range"#),
            ("2023-02-29T00:00:00Z", r#"parsing time "2023-02-29T00:00:00Z": day out of range"#),
            ("2024-01-01T24:00:00Z", r#"parsing time "2024-01-01T24:00:00Z": hour out of range"#),
            ("2024-01-01T00:00:00Zx", r#"parsing time "2024-01-01T00:00:00Zx": extra text: "x""#),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text).unwrap_err().to_string(), expected);
        }
        assert!(canonical_micros("2024-01-01T00:00:00Z").is_err());
        let micros = canonical_micros("2024-01-01T00:00:00.123456+01:00").unwrap();
        assert_eq!(micros.as_deref(), Some("2023-12-31T23:00:00.123456Z"));
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        let cases = [
            ("0", "0s"),
            ("1h", "1h0m0s"),
            ("90m", "1h30m0s"),
            ("1.5s", "1.5s"),
            ("250ms", "250ms"),
            ("-1m", "-1m0s"),
            ("1us", "1µs"),
            ("1h0m0.5s", "1h0m0.5s"),
            ("100ns", "100ns"),
            (".5m", "30s"),
            ("2562047h47m16.854775807s", "2562047h47m16.854775807s"),
        ];
        for (text, expected) in cases {
            assert_eq!(format_duration(parse_duration(text).unwrap()), expected, "of {text}");
        }
        assert_eq!(parse_duration("1").unwrap_err().to_string(), r#"time: missing unit in duration "1""#);
        assert_eq!(parse_duration("").unwrap_err().to_string(), r#"time: invalid duration """#);
        assert_eq!(
            parse_duration("1x").unwrap_err().to_string(),
            r#"time: unknown unit "x" in duration "1x""#
        );
        assert!(parse_duration("9999999999h").is_err());
    }
}
