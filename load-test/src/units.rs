//! Numbers as people write them: `200ms`, `32..128`, `5%`.

use std::fmt;
use std::str::FromStr;

/// Seconds of `250ms`, `1.5s`, `2m`.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let (number, scale) = match text {
        _ if text.ends_with("us") => (&text[..text.len() - 2], 1e-6),
        _ if text.ends_with("ms") => (&text[..text.len() - 2], 1e-3),
        _ if text.ends_with('s') => (&text[..text.len() - 1], 1.0),
        _ if text.ends_with('m') => (&text[..text.len() - 1], 60.0),
        _ => return Err(format!("`{text}` has no unit; write 250ms, 1.5s or 2m")),
    };
    let value: f64 =
        number.trim().parse().map_err(|_| format!("`{text}` is no time; write 250ms, 1.5s or 2m"))?;
    match value.is_finite() && value >= 0.0 {
        true => Ok(value * scale),
        false => Err(format!("`{text}` is no time that can be waited for")),
    }
}

/// A share of `5%` or `0.05`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number.trim(), 0.01),
        None => (text, 1.0),
    };
    let value = number.parse::<f64>().map(|value| value * scale).unwrap_or(-1.0);
    match (0.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(format!("`{text}` is no share; write 5% or 0.05")),
    }
}

/// A percentage of 0 to 100, with or without the sign.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let value = text.trim_end_matches('%').trim().parse::<f64>().unwrap_or(-1.0);
    match (0.0..=100.0).contains(&value) {
        true => Ok(value),
        false => Err(format!("`{text}` is no percentage; write 99 or 99.9")),
    }
}

/// From one number to another, both included: `64` or `32..128`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Span {
    /// Of whatever `parse` reads, once or on both sides of `..`.
    pub(crate) fn parse(text: &str, parse: impl Fn(&str) -> Result<f64, String>) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        Ok(Self { from: parse(from)?, to: parse(to)? })
    }

    fn ordered(self, text: &str) -> Result<Self, String> {
        match self.from <= self.to {
            true => Ok(self),
            false => Err(format!("`{text}` runs backwards")),
        }
    }

    /// Times that do not run backwards.
    pub(crate) fn times(text: &str) -> Result<Self, String> {
        Self::parse(text, seconds)?.ordered(text)
    }
}

/// A plain number that is not negative.
pub(crate) fn number(text: &str) -> Result<f64, String> {
    let value = text.trim().parse::<f64>().unwrap_or(-1.0);
    match value.is_finite() && value >= 0.0 {
        true => Ok(value),
        false => Err(format!("`{text}` is no number of 0 or more")),
    }
}

/// Counts that do not run backwards.
impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span = Self::parse(text, number)?.ordered(text)?;
        match span.from.fract() == 0.0 && span.to.fract() == 0.0 && span.from >= 1.0 {
            true => Ok(span),
            false => Err(format!("`{text}` is no count; write 64 or 32..128")),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from == self.to {
            true => write!(f, "{}", self.from),
            false => write!(f, "{}..{}", self.from, self.to),
        }
    }
}

/// What is left out at an end of a test: `5s`, or `20` requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cut {
    Seconds(f64),
    Requests(usize),
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(requests) => Ok(Self::Requests(requests)),
            Err(_) => seconds(text).map(Self::Seconds).map_err(|_| {
                format!("`{text}` is neither a number of requests, such as 20, nor a time, such as 5s")
            }),
        }
    }
}

/// About four digits.
pub(crate) fn short(value: f64) -> String {
    let digits = match value.abs() {
        value if value >= 1000.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_counts_and_shares_read_as_written() {
        assert_eq!(seconds("250ms"), Ok(0.25));
        assert_eq!(seconds("1.5s"), Ok(1.5));
        assert_eq!(seconds("2m"), Ok(120.0));
        assert_eq!("32..128".parse(), Ok(Span { from: 32.0, to: 128.0 }));
        assert_eq!("64".parse(), Ok(Span { from: 64.0, to: 64.0 }));
        assert_eq!(Span::times("100ms..2s"), Ok(Span { from: 0.1, to: 2.0 }));
        assert_eq!((share("5%"), share("0.05"), percent("99.9")), (Ok(0.05), Ok(0.05), Ok(99.9)));
        assert_eq!(("20".parse(), "5s".parse()), (Ok(Cut::Requests(20)), Ok(Cut::Seconds(5.0))));
    }

    #[test]
    fn what_is_no_number_is_named() {
        for problem in [seconds("5"), seconds("-1s"), seconds("xs"), share("5"), percent("101"), number("-1")]
        {
            assert!(problem.unwrap_err().starts_with('`'));
        }
        for text in ["0", "8..4", "1.5", "a"] {
            assert!(text.parse::<Span>().unwrap_err().contains(text), "{text}");
        }
    }
}
