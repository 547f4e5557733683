//! Resource quantities: `500m`, `1536Mi`, `2e3`.
//!
//! Keeps: a value is exact down to one billionth (smaller amounts round away from zero, as upstream does), and
//! its text is canonical: no fraction, the largest suffix that keeps an integer, in the family it was written in.

use std::cmp::Ordering;

use ecow::{EcoString, eco_format};

/// A number with a suffix family: `mantissa` × 10^`scale`.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    mantissa: i128,
    scale: i32,
    format: Format,
}

/// The family of suffixes a quantity is printed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `n u m k M G T P E`
    DecimalSi,
    /// `Ki Mi Gi Ti Pi Ei`
    BinarySi,
    /// `e3`, `e-6`
    DecimalExponent,
}

/// Why a text is no quantity, in upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not of the form number and suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// No such suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// The number cannot be read.
    #[error("unable to parse numeric part of quantity")]
    Number,
}

const NANO: i32 = -9;
/// Beyond this many decimal places either way a number is refused instead of computed with.
const SCALE_MAX: i64 = 1_000;
const BINARY_MAX: i128 = i64::MAX as i128;
const DECIMAL_SUFFIXES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The canonical text of a quantity as written.
pub fn canonical(text: &str) -> Result<EcoString, QuantityError> {
    if is_canonical(text.as_bytes()) {
        return Ok(text.into());
    }
    Ok(Quantity::parse(text)?.canonical())
}

/// Whether a text is surely canonical; a cheap test that knows the usual forms.
pub(crate) fn is_canonical(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, suffix) = text.split_at(digits);
    if number == b"0" {
        return suffix.is_empty();
    }
    if digits == 0 || number[0] == b'0' {
        return false;
    }
    match suffix {
        b"" | b"m" | b"k" | b"M" | b"G" => digits <= 15 && !number.ends_with(b"000"),
        b"Ki" | b"Mi" | b"Gi" if digits <= 6 => {
            let value = number.iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
            !value.is_multiple_of(1024)
        }
        _ => false,
    }
}

/// The parts of a quantity's text.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = rest.split_at(digits(rest));
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(QuantityError::Format);
    }
    let letters = suffix.bytes().take_while(|byte| b"eEinumkKMGTP".contains(byte)).count();
    let exponent = &suffix[letters..];
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    Ok(Parts { negative, whole, fraction, suffix })
}

/// The base, exponent and family of a suffix.
fn interpret(suffix: &str) -> Result<(Format, i64), QuantityError> {
    if let Some(at) = DECIMAL_SUFFIXES.iter().position(|candidate| *candidate == suffix) {
        return Ok((Format::DecimalSi, (at as i64 - 3) * 3));
    }
    if let Some(at) = BINARY_SUFFIXES.iter().position(|candidate| *candidate == suffix) {
        return Ok((Format::BinarySi, at as i64 * 10));
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
    let exponent: i64 = exponent.parse().map_err(|_| QuantityError::Suffix)?;
    Ok((Format::DecimalExponent, exponent))
}

impl Quantity {
    /// Zero, as an absent quantity.
    pub const ZERO: Quantity = Quantity { mantissa: 0, scale: 0, format: Format::DecimalSi };

    /// A whole number in the decimal family.
    pub fn from_value(value: i64) -> Quantity {
        Quantity { mantissa: value.into(), scale: 0, format: Format::DecimalSi }
    }

    /// Reads a quantity.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        let parts = split(text)?;
        let (mut format, exponent) = interpret(parts.suffix)?;
        let mut mantissa: i128 = 0;
        for digit in parts.whole.bytes().chain(parts.fraction.bytes()) {
            mantissa = mantissa
                .checked_mul(10)
                .and_then(|value| value.checked_add(i128::from(digit - b'0')))
                .ok_or(QuantityError::Number)?;
        }
        let mut scale = -(parts.fraction.len() as i64);
        if format == Format::BinarySi {
            mantissa = mantissa.checked_mul(1 << exponent).ok_or(QuantityError::Number)?;
        } else {
            scale += exponent;
        }
        if mantissa == 0 {
            return Ok(Quantity { mantissa: 0, scale: 0, format });
        }
        if scale.abs() > SCALE_MAX {
            return Err(QuantityError::Number);
        }
        let mut quantity = Quantity { mantissa, scale: scale as i32, format };
        quantity.round_up(NANO);
        if format == Format::BinarySi {
            let largest = Quantity { mantissa: BINARY_MAX, scale: 0, format };
            if quantity > largest {
                quantity = largest;
            }
            if quantity < Quantity::from_value(1) {
                format = Format::DecimalSi;
            }
        }
        quantity.format = format;
        if parts.negative {
            quantity.mantissa = -quantity.mantissa;
        }
        Ok(quantity)
    }

    /// Rounds away from zero to a multiple of 10^`scale`.
    pub fn round_up(&mut self, scale: i32) {
        let Ok(places) = u32::try_from(scale.saturating_sub(self.scale)) else { return };
        if places == 0 {
            return;
        }
        let sign = self.mantissa.signum();
        let magnitude = self.mantissa.unsigned_abs();
        let (whole, rest) = match 10_u128.checked_pow(places) {
            Some(divisor) => (magnitude / divisor, magnitude % divisor),
            None => (0, magnitude),
        };
        self.mantissa = sign * (whole as i128 + i128::from(rest > 0));
        self.scale = scale;
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        self.mantissa.signum() as i32
    }

    /// Whether the value is zero.
    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// The value in units of 10^`scale`, rounded away from zero and kept within `i64`.
    pub fn scaled_value(&self, scale: i32) -> i64 {
        let mut rounded = *self;
        rounded.round_up(scale);
        let up = u32::try_from(rounded.scale - scale).unwrap_or(0);
        let value = 10_i128.checked_pow(up).and_then(|factor| rounded.mantissa.checked_mul(factor));
        match value {
            Some(value) => value.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
            None if rounded.mantissa == 0 => 0,
            None if rounded.mantissa < 0 => i64::MIN,
            None => i64::MAX,
        }
    }

    /// The value in whole units.
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// The value in thousandths.
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(-3)
    }

    /// The sum, in the family of `self` unless that is zero; `None` when it cannot be represented.
    pub fn checked_add(&self, other: &Quantity) -> Option<Quantity> {
        let scale = self.scale.min(other.scale);
        let mantissa = self.at_scale(scale)?.checked_add(other.at_scale(scale)?)?;
        let format = if self.is_zero() { other.format } else { self.format };
        Some(Quantity { mantissa, scale, format })
    }

    /// The difference, as [`Quantity::checked_add`].
    pub fn checked_sub(&self, other: &Quantity) -> Option<Quantity> {
        self.checked_add(&Quantity { mantissa: -other.mantissa, ..*other })
    }

    fn at_scale(&self, scale: i32) -> Option<i128> {
        let places = u32::try_from(self.scale - scale).ok()?;
        self.mantissa.checked_mul(10_i128.checked_pow(places)?)
    }

    /// The canonical text.
    pub fn canonical(&self) -> EcoString {
        if self.mantissa == 0 {
            return "0".into();
        }
        if let (Format::BinarySi, Some(text)) = (self.format, self.binary_text()) {
            return text;
        }
        let (mut mantissa, mut exponent) = (self.mantissa, self.scale);
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        while exponent.rem_euclid(3) != 0 {
            mantissa = mantissa.saturating_mul(10);
            exponent -= 1;
        }
        let suffix = usize::try_from(exponent / 3 + 3).ok().and_then(|at| DECIMAL_SUFFIXES.get(at));
        match suffix {
            Some(suffix) if self.format != Format::DecimalExponent => eco_format!("{mantissa}{suffix}"),
            _ if exponent == 0 => eco_format!("{mantissa}"),
            _ => eco_format!("{mantissa}e{exponent}"),
        }
    }

    /// The text with a binary suffix; `None` for a fraction and for what is below 1024 either way.
    fn binary_text(&self) -> Option<EcoString> {
        let mut whole = *self;
        whole.round_up(0);
        if whole.cmp(self) != Ordering::Equal {
            return None;
        }
        let mut value = whole.at_scale(0)?;
        if value.unsigned_abs() < 1024 {
            return None;
        }
        let mut times = 0;
        while value % 1024 == 0 && times + 1 < BINARY_SUFFIXES.len() {
            value /= 1024;
            times += 1;
        }
        Some(eco_format!("{value}{}", BINARY_SUFFIXES[times]))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    /// By value: the family does not count.
    fn cmp(&self, other: &Quantity) -> Ordering {
        let by_sign = self.sign().cmp(&other.sign());
        if by_sign != Ordering::Equal || self.is_zero() {
            return by_sign;
        }
        let scale = self.scale.min(other.scale);
        match (self.at_scale(scale), other.at_scale(scale)) {
            (Some(this), Some(that)) => this.cmp(&that),
            // Only one of the two is scaled up, and what does not fit is the greater amount.
            (None, _) => self.sign().cmp(&0),
            (_, None) => 0.cmp(&self.sign()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let got = canonical(text).map(|text| text.to_string()).unwrap_or_else(|error| error.to_string());
        assert_eq!(got, expected, "of {text}");
    }

    #[test]
    fn canonical_text_keeps_the_family_and_has_no_fraction() {
        let cases = [
            ("0", "0"),
            ("0.0", "0"),
            ("000", "0"),
            ("-0", "0"),
            ("0Gi", "0"),
            ("1", "1"),
            ("+1", "1"),
            ("01", "1"),
            ("0.5", "500m"),
            ("0.1", "100m"),
            (".5", "500m"),
            ("1.", "1"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("1000", "1k"),
            ("1001", "1001"),
            ("1024", "1024"),
            ("1024Ki", "1Mi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1000Ki", "1000Ki"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            ("0.5Mi", "512Ki"),
            ("100Mi", "100Mi"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e3", "12e3"),
            ("1e4", "10e3"),
            ("1e0", "1"),
            ("1e-3", "1e-3"),
            ("1E", "1E"),
            ("1000k", "1M"),
            ("123456", "123456"),
            ("-1.5", "-1500m"),
            ("-1024Ki", "-1Mi"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("1.0000000001", "1000000001n"),
            ("8Ei", "9223372036854775807"),
            ("2Ei", "2Ei"),
            ("0.0000001Ki", "102400n"),
        ];
        for (text, expected) in cases {
            check(text, expected);
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_in_upstreams_words() {
        for text in ["", " ", "a", "1.1.M", "1+1.0M", "0.1am", "aoeu", " 1", "1 ", "-", ".", "k"] {
            check(text, &QuantityError::Format.to_string());
        }
        for text in ["1i", "-3.01i", "0.1mi", "-3.01e-", "1e", "1kk"] {
            check(text, &QuantityError::Suffix.to_string());
        }
        check("1e999999999999", &QuantityError::Number.to_string());
        check("9999999999999999999999999999999999999999999", &QuantityError::Number.to_string());
    }

    #[test]
    fn arithmetic_rounds_up_and_ignores_the_family() {
        let parse = |text| Quantity::parse(text).unwrap();
        assert_eq!(parse("1.2").value(), 2);
        assert_eq!(parse("1.2").milli_value(), 1200);
        assert_eq!(parse("100u").milli_value(), 1);
        assert_eq!(parse("1e30").value(), i64::MAX);
        assert_eq!(parse("1Ki"), parse("1024"));
        assert!(parse("1Gi") > parse("1G"));
        assert!(parse("-1") < parse("1m"));
        assert!(parse("1e900") > parse("1n"));
        assert!(parse("-1e900") < parse("-1n"));
        assert_eq!(parse("100m").checked_add(&parse("0.9")).unwrap().canonical(), "1");
        assert_eq!(parse("1Gi").checked_sub(&parse("512Mi")).unwrap().canonical(), "512Mi");
    }
}
