//! A number of bytes, as people write it on a command line.

use std::{fmt, str::FromStr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit {
            "" => 1,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return Err(format!("{unit:?} is not a unit: use Ki, Mi, Gi or Ti")),
        };
        let number: u64 =
            number.parse().map_err(|_| "write it as a number and a unit, like 8Gi".to_owned())?;
        number.checked_mul(factor).map(Size).ok_or_else(|| "it is too large".to_owned())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
        match units.into_iter().find(|(shift, _)| self.0 >> shift > 0) {
            Some((shift, unit)) => write!(f, "{:.1}{unit}", self.0 as f64 / (1u64 << shift) as f64),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(text.parse::<Size>().ok().map(|size| size.0), expected, "{text:?}");
    }

    #[test]
    fn sizes_have_binary_units() {
        check("0", Some(0));
        check("512", Some(512));
        check("4Ki", Some(4096));
        check("8Gi", Some(8 << 30));
        check("2Ti", Some(2 << 40));
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        check("", None);
        check("Gi", None);
        check("8GB", None);
        check("-1", None);
        check("99999999999999999999", None);
        check("99999999999Ti", None);
    }
}
