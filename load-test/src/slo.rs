//! Limits that a request must meet to count as good. Pure.

use crate::record::Record;
use crate::units::seconds;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Limit {
    Ttft,
    Itl,
    Tpot,
    E2e,
    Ntpot,
}

const NAMES: [(&str, Limit); 5] = [
    ("ttft", Limit::Ttft),
    ("itl", Limit::Itl),
    ("tpot", Limit::Tpot),
    ("e2e", Limit::E2e),
    ("ntpot", Limit::Ntpot),
];

/// Limits in seconds; `ttft=200ms,itl=50ms`. `itl` holds each gap of the request against its limit, `tpot` their mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Slo {
    limits: BTreeMap<Limit, f64>,
}

impl FromStr for Slo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut limits = BTreeMap::new();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let limit = NAMES.iter().find(|(known, _)| *known == name.trim());
            let (_, limit) = limit.ok_or_else(|| {
                format!("`{part}` is no limit; write ttft=200ms; also itl, tpot, e2e, ntpot")
            })?;
            limits.insert(*limit, seconds(value)?);
        }
        Ok(Self { limits })
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.limits.iter().map(|(limit, seconds)| {
            let name = NAMES.iter().find(|(_, known)| known == limit).map_or("", |(name, _)| name);
            format!("{name}={}ms", (seconds * 1e6).round() / 1e3)
        });
        f.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

impl Slo {
    /// Whether the request was answered wholly and within every limit.
    pub(crate) fn met(&self, record: &Record) -> bool {
        record.is_ok()
            && self.limits.iter().all(|(limit, most)| {
                let found = match limit {
                    Limit::Ttft => record.ttft_s(),
                    Limit::Itl => record.itl_s().reduce(f64::max),
                    Limit::Tpot => record.tpot_s(),
                    Limit::E2e => Some(record.e2e_s()),
                    Limit::Ntpot => record.ntpot_s(),
                };
                found.is_none_or(|found| found <= *most)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FailureKind;
    use crate::record::made::*;

    #[test]
    fn every_limit_must_be_met() {
        let record = answered(0, 0.0, &[0.2, 0.3, 0.7]);
        let met = |slo: &str| slo.parse::<Slo>().unwrap().met(&record);
        assert!(met("ttft=200ms,e2e=700ms,itl=401ms"));
        assert!(!met("ttft=199ms,e2e=1s"));
        assert!(!met("itl=399ms"), "each gap counts");
        assert!(met("tpot=251ms") && !met("tpot=249ms"));
        assert!(!met("ntpot=200ms"));
    }

    #[test]
    fn what_failed_met_nothing() {
        let failed = ended(0, 0.0, 0.1, failed(FailureKind::Http, "500", "broken"));
        assert!(!Slo::default().met(&failed));
    }

    #[test]
    fn limits_print_as_they_are_written() {
        assert_eq!("itl=50ms,ttft=0.2s".parse::<Slo>().unwrap().to_string(), "ttft=200ms,itl=50ms");
        assert!("speed=3s".parse::<Slo>().unwrap_err().contains("speed"));
        assert!("ttft".parse::<Slo>().is_err());
    }
}
