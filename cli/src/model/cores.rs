//! Which cores computing threads keep to, and how the processes of one machine share them.
//!
//! Keeps true: a list names each core once, and only such as this process may use; processes whose threads do not all find a
//! core of their own begin at different ones, since the first thread of each has most to do.

use conclave_kernels::cores_allowed;
use std::str::FromStr;

/// A list of cores; empty: wherever the system puts threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cores(pub(crate) Vec<usize>);

impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "any" {
            return Ok(Self::default());
        }
        let bad = || format!("`{text}` is neither `any` nor a list of different cores, such as 0-3,8");
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |digits: &str| digits.parse::<u16>().map(usize::from).map_err(|_| bad());
            let (first, last) = (number(first)?, number(last)?);
            if first > last || cores.iter().any(|core| (first..=last).contains(core)) {
                return Err(bad());
            }
            cores.extend(first..=last);
        }
        Ok(Self(cores))
    }
}

impl std::fmt::Display for Cores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("any");
        }
        let cores: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&cores.join(","))
    }
}

impl Cores {
    /// All that this process may use, where the system says so.
    pub(crate) fn all() -> Self {
        Self(cores_allowed())
    }

    /// Why they cannot be used, if so.
    pub(crate) fn problem(&self) -> Option<String> {
        let allowed = cores_allowed();
        let missing = self.0.iter().find(|core| !allowed.contains(core))?;
        Some(if allowed.is_empty() {
            "cores can be chosen on Linux only; leave --cores out".to_owned()
        } else {
            format!("core {missing} is none that this process may use, which are {}", Self(allowed))
        })
    }

    /// Those of process `index` of `processes` alike, of `threads` threads each, beside one that has all of them in this order.
    pub(crate) fn dealt(&self, processes: usize, index: usize, threads: usize) -> Self {
        let count = self.0.len();
        if count == 0 {
            return Self::default();
        }
        // Cores of their own where there are enough, else beginnings as far apart as can be.
        let step = if processes * threads <= count { threads } else { (count / processes).max(1) };
        Self((0..threads.min(count)).map(|thread| self.0[(1 + index * step + thread) % count]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_each_core_once() {
        assert_eq!("0-3,8".parse(), Ok(Cores(vec![0, 1, 2, 3, 8])));
        assert_eq!("5,2".parse(), Ok(Cores(vec![5, 2])));
        assert_eq!("any".parse(), Ok(Cores::default()));
        for bad in ["", "a", "3-1", "1,1", "0-3,2", "-1", "1-", "0,", "70000"] {
            assert!(Cores::from_str(bad).unwrap_err().contains("such as 0-3,8"), "{bad}");
        }
        for cores in [Cores(vec![4, 2]), Cores::default()] {
            assert_eq!(cores.to_string().parse(), Ok(cores));
        }
    }

    #[test]
    fn only_cores_of_this_machine_can_be_kept_to() {
        assert_eq!(Cores::all().problem(), None);
        assert_eq!(Cores::default().problem(), None);
        let told = Cores(vec![65_000]).problem().unwrap();
        assert!(told.contains("core 65000") || told.contains("Linux"), "{told}");
    }

    #[test]
    fn processes_get_cores_of_their_own_where_there_are_enough() {
        let dealt = |cores: usize, processes: usize, threads: usize| -> Vec<Vec<usize>> {
            let all = Cores((0..cores).collect());
            (0..processes).map(|index| all.dealt(processes, index, threads).0).collect()
        };
        assert_eq!(dealt(16, 3, 5), [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]]);
        assert_eq!(dealt(2, 3, 2), [[1, 0], [0, 1], [1, 0]]);
        assert_eq!(dealt(4, 3, 3), [[1, 2, 3], [2, 3, 0], [3, 0, 1]]);
        assert_eq!(dealt(8, 2, 8), [[1, 2, 3, 4, 5, 6, 7, 0], [5, 6, 7, 0, 1, 2, 3, 4]]);
        assert_eq!(dealt(1, 3, 4), [[0], [0], [0]]);
        assert_eq!(dealt(0, 3, 4), [[], [], [] as [usize; 0]]);
    }
}
