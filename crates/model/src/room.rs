//! How much memory can still be had. Knows the files in which Linux tells it; elsewhere nothing is known.

use std::path::{Path, PathBuf};

/// Memory of this machine, or of this process's control group if that has less: bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// What can be had without anybody's losing any; pages of files count as free.
    pub(crate) free: u64,
    /// All there is.
    pub(crate) all: u64,
}

impl Room {
    /// As of now; `None`: the system does not say.
    pub(crate) fn now() -> Option<Self> {
        let machine = meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let groups = groups(&own, Path::new("/sys/fs/cgroup"));
        let limits =
            groups.iter().filter_map(|group| limit(group, &|file| std::fs::read_to_string(file).ok()));
        Some(limits.fold(machine, |least, other| if other.free < least.free { other } else { least }))
    }

    /// Whether a quarter of all stays free after `bytes` more are taken: for what comes later, such as keys and values.
    pub(crate) fn has(self, bytes: usize) -> bool {
        self.free.saturating_sub(bytes as u64) >= self.all / 4
    }
}

/// Reads `/proc/meminfo`.
fn meminfo(text: &str) -> Option<Room> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':')
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1024)
    };
    Some(Room { free: bytes("MemAvailable")?, all: bytes("MemTotal")? })
}

/// The folders, below `root`, of the memory control groups of the process whose `/proc/PID/cgroup` is `text`, and of all that
/// they are in. Within a container the path may be the host's; then the folder at the root is the container's.
fn groups(text: &str, root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in text.lines() {
        let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else { continue };
        let top = match controllers {
            "" => root.to_owned(),
            _ if controllers.split(',').any(|one| one == "memory") => root.join("memory"),
            _ => continue,
        };
        let own = top.join(path.trim_start_matches('/'));
        found.extend(own.ancestors().take_while(|folder| folder.starts_with(&top)).map(Path::to_owned));
    }
    found
}

/// What the control group in `folder` leaves; `None`: it has no limit, or there is no such group.
fn limit(folder: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Option<Room> {
    let number = |file: &str| read(&folder.join(file))?.trim().parse::<u64>().ok();
    let (all, used) = number("memory.max")
        .zip(number("memory.current"))
        .or_else(|| number("memory.limit_in_bytes").zip(number("memory.usage_in_bytes")))?;
    let stat = read(&folder.join("memory.stat")).unwrap_or_default();
    let file_pages = |names: [&str; 2]| {
        let of =
            |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        names.into_iter().filter_map(of).sum::<u64>()
    };
    // The first version of control groups counts what is below a group by these names.
    let droppable = match file_pages(["total_active_file ", "total_inactive_file "]) {
        0 => file_pages(["active_file ", "inactive_file "]),
        bytes => bytes,
    };
    Some(Room { free: all.saturating_sub(used.saturating_sub(droppable)), all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_tells_what_is_available() {
        let text = "MemTotal:       24000 kB\nMemFree:          100 kB\nMemAvailable:   20000 kB\n";
        assert_eq!(meminfo(text), Some(Room { free: 20000 * 1024, all: 24000 * 1024 }));
        assert_eq!(meminfo("MemTotal: 5 kB\n"), None);
        assert_eq!(Room::now().is_some(), cfg!(target_os = "linux"));
    }

    #[test]
    fn a_quarter_stays_free() {
        let room = Room { free: 60, all: 100 };
        assert!(room.has(35) && !room.has(36) && !room.has(1000));
    }

    #[test]
    fn a_process_is_in_its_group_and_in_all_above() {
        let root = Path::new("/r");
        let paths = |text: &str| {
            groups(text, root).into_iter().map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(paths("0::/a/b\n"), ["/r/a/b", "/r/a", "/r"]);
        assert_eq!(paths("0::/\n"), ["/r/"]);
        assert_eq!(
            paths("3:cpu,cpuacct:/x\n4:memory:/pods/one\n"),
            ["/r/memory/pods/one", "/r/memory/pods", "/r/memory"]
        );
    }

    #[test]
    fn a_group_leaves_what_its_limit_and_the_pages_of_files_say() {
        let of = |files: &[(&str, &str)]| {
            let files: Vec<(String, String)> =
                files.iter().map(|(name, text)| (format!("/g/{name}"), (*text).to_owned())).collect();
            limit(Path::new("/g"), &|file| {
                files.iter().find(|(name, _)| Path::new(name) == file).map(|(_, text)| text.clone())
            })
        };
        let second = [
            ("memory.max", "1000\n"),
            ("memory.current", "700\n"),
            ("memory.stat", "anon 300\nfile 400\ninactive_file 250\nactive_file 100\n"),
        ];
        assert_eq!(of(&second), Some(Room { free: 650, all: 1000 }));
        assert_eq!(of(&[("memory.max", "max\n"), ("memory.current", "700\n")]), None);
        let first = [
            ("memory.limit_in_bytes", "1000\n"),
            ("memory.usage_in_bytes", "700\n"),
            (
                "memory.stat",
                "active_file 0\ninactive_file 0\ntotal_inactive_file 100\ntotal_active_file 200\n",
            ),
        ];
        assert_eq!(of(&first), Some(Room { free: 600, all: 1000 }));
        assert_eq!(of(&[]), None);
    }
}
