//! A line of the keys file: whose key, what it opens, how much.
//!
//! Keeps true: a line holds the digest of a key, never the key; a line survives its text.

use conclave_types::Digest;
use std::fmt;
use std::str::FromStr;

/// What a key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Generating.
    Infer,
    /// Looking at what is served.
    Read,
    /// Looking at how the server is.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 3] = [Self::Infer, Self::Read, Self::Admin];

    /// As in the keys file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| format!("`{text}` is no scope; it can be infer, read or admin"))
    }
}

/// A key as the server knows it: `NAME SCOPE,... blake3:DIGEST [requests_per_minute=N] [requests_at_once=N]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLine {
    /// For people; in logs in place of the key.
    pub name: String,
    /// What it opens.
    pub scopes: Vec<Scope>,
    /// BLAKE3 of the key. A key has 256 random bits, so that nobody finds it from its digest by trying, and a slow hash
    /// would only make requests slow.
    pub digest: Digest,
    /// Most requests that generate, begun in a minute; `None`: no bound.
    pub requests_per_minute: Option<u32>,
    /// Most requests that generate, under way at a time; `None`: no bound.
    pub requests_at_once: Option<u32>,
}

impl fmt::Display for KeyLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes: Vec<&str> = self.scopes.iter().map(|scope| scope.name()).collect();
        write!(f, "{} {} blake3:{}", self.name, scopes.join(","), self.digest)?;
        for (name, limit) in
            [("requests_per_minute", self.requests_per_minute), ("requests_at_once", self.requests_at_once)]
        {
            if let Some(limit) = limit {
                write!(f, " {name}={limit}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for KeyLine {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let (Some(name), Some(scopes), Some(digest)) = (words.next(), words.next(), words.next()) else {
            return Err("a line is NAME SCOPES blake3:DIGEST, as `conclave key new` prints it".to_owned());
        };
        let scopes = scopes.split(',').map(str::parse).collect::<Result<Vec<Scope>, _>>()?;
        let digest = digest
            .strip_prefix("blake3:")
            .and_then(|digest| digest.parse().ok())
            .ok_or_else(|| format!("`{name}` has no digest; write blake3: and 64 hex digits"))?;
        let mut key =
            Self { name: name.to_owned(), scopes, digest, requests_per_minute: None, requests_at_once: None };
        for word in words {
            let bad = || {
                format!(
                    "`{word}` of `{name}` is no limit; it can be requests_per_minute=N or requests_at_once=N, N from 1"
                )
            };
            let (limit, value) = word.split_once('=').ok_or_else(bad)?;
            let value = value.parse::<u32>().ok().filter(|value| *value > 0).ok_or_else(bad)?;
            match limit {
                "requests_per_minute" => key.requests_per_minute = Some(value),
                "requests_at_once" => key.requests_at_once = Some(value),
                _ => return Err(bad()),
            }
        }
        Ok(key)
    }
}

impl KeyLine {
    /// The keys of a file: one a line; empty lines and what follows `#` at a line's beginning say nothing.
    ///
    /// - Errors: the first line that cannot be used, by its number.
    pub fn all(text: &str) -> Result<Vec<Self>, String> {
        let mut keys: Vec<Self> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key: Self = line.parse().map_err(|why| format!("line {number}: {why}"))?;
            if keys.iter().any(|other| other.digest == key.digest) {
                return Err(format!("line {number}: the key of `{}` is there twice", key.name));
            }
            keys.push(key);
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(limits: &str) -> String {
        format!("alice infer,read blake3:{}{limits}", Digest::of(b"a key"))
    }

    #[test]
    fn a_line_survives_its_text() {
        for limits in ["", " requests_per_minute=60", " requests_per_minute=60 requests_at_once=4"] {
            assert_eq!(line(limits).parse::<KeyLine>().unwrap().to_string(), line(limits));
        }
        let file = format!("# people\n\n  {}  \n", line(""));
        assert_eq!(KeyLine::all(&file).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_line_is_refused_with_its_number() {
        let twice = format!("{}\n{}", line(""), line(""));
        for (text, why) in [
            ("alice".to_owned(), "line 1: a line is"),
            (line("").replace("read", "write"), "`write` is no scope"),
            (line("").replace("blake3:", ""), "no digest"),
            (line(" requests_at_once=0"), "no limit"),
            (line(" bytes=5"), "no limit"),
            (twice, "line 2: the key of `alice` is there twice"),
        ] {
            let said = KeyLine::all(&text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
