//! The cache on disk: a folder for each version of each model, with files that may have holes, and beside them, in
//! `.delivery`, what the files are (`source.json`) and which bytes of them are there (`present`).
//!
//! Keeps true: a byte is noted as present only after it is on the disk; who writes holds the folder's lock; a file's time of
//! change stays the same however often parts of it arrive. Knows no network.

use crate::remote::Entry;
use crate::{DeliveryError, RemoteSource};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const ABOUT: &str = ".delivery";

/// What a folder of the cache is a copy of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Catalogue {
    /// As it was asked for when fetching began.
    pub(crate) asked: String,
    /// At a revision that does not move, if the place has revisions.
    pub(crate) source: String,
    /// By their names in the place, below the model's folder.
    pub(crate) files: BTreeMap<String, Entry>,
}

impl Catalogue {
    /// Where `cache` keeps this very content.
    pub(crate) fn path(&self, cache: &Path, source: &RemoteSource) -> PathBuf {
        cache.join(self.version()).join(&source.name)
    }

    /// A name for this very content: hex digits.
    fn version(&self) -> String {
        let mut text = self.source.clone();
        for (name, Entry { size, etag, sha256 }) in &self.files {
            text.push_str(&format!("\n{name} {size} {etag:?} {sha256:?}"));
        }
        hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())[..16].to_owned()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Which bytes of a file are there: ranges in order that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Present(Vec<Range<u64>>);

impl Present {
    pub(crate) fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        self.0.retain(|have| {
            let touches = have.start <= end && start <= have.end;
            if touches {
                (start, end) = (start.min(have.start), end.max(have.end));
            }
            !touches
        });
        let at = self.0.partition_point(|have| have.start < start);
        self.0.insert(at, start..end);
    }

    pub(crate) fn remove(&mut self, range: &Range<u64>) {
        let parts =
            |have: &Range<u64>| [have.start..have.end.min(range.start), have.start.max(range.end)..have.end];
        self.0 = self.0.iter().flat_map(parts).filter(|part| part.start < part.end).collect();
    }

    /// What of `range` is not there, in order.
    pub(crate) fn missing(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut at = range.start;
        let first = self.0.partition_point(|have| have.end <= range.start);
        for have in self.0[first..].iter().take_while(|have| have.start < range.end) {
            if at < have.start {
                missing.push(at..have.start);
            }
            at = have.end;
        }
        if at < range.end {
            missing.push(at..range.end);
        }
        missing
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }
}

/// One version of one model in the cache.
pub(crate) struct Folder {
    /// Where the model's files are.
    pub(crate) path: PathBuf,
    pub(crate) catalogue: Catalogue,
}

/// The right to write; let go of when dropped.
pub(crate) struct Locked(#[expect(dead_code, reason = "held for its lock")] File);

impl Folder {
    /// Makes the folder `path` for `catalogue`, or finds it there; its files are of full size and may be all holes.
    ///
    /// Errors: the disk; it is there with other contents.
    pub(crate) fn create(path: PathBuf, catalogue: Catalogue) -> Result<Self, DeliveryError> {
        if let Some(there) = Self::open(&path)?
            && there.catalogue.version() != catalogue.version()
        {
            return Err(DeliveryError::Settings(format!(
                "{} has another version of this model, or another model: {}; name an empty folder",
                path.display(),
                there.catalogue.source
            )));
        }
        let folder = Self { path, catalogue };
        let about = folder.path.join(ABOUT);
        std::fs::create_dir_all(&about).map_err(DeliveryError::cache(&about))?;
        let _locked = folder.lock()?;
        for (name, entry) in &folder.catalogue.files {
            let path = folder.file(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(DeliveryError::cache(parent))?;
            }
            let failed = DeliveryError::cache(&path);
            let file =
                OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(&failed)?;
            if file.metadata().map_err(&failed)?.len() != entry.size {
                file.set_len(entry.size).map_err(&failed)?;
                file.set_modified(changed()).map_err(&failed)?;
            }
        }
        // Last: a folder counts from when it says what it is.
        let (path, partial) = (about.join("source.json"), about.join("source.json.partial"));
        let text = serde_json::to_vec_pretty(&folder.catalogue).expect("a catalogue has a JSON form");
        let written = std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, &path));
        written.map_err(DeliveryError::cache(&path))?;
        Ok(folder)
    }

    /// The folder at `path`, if it is one of a cache.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, DeliveryError> {
        let file = path.join(ABOUT).join("source.json");
        if !file.exists() {
            return Ok(None);
        }
        let text = std::fs::read(&file).map_err(DeliveryError::cache(&file))?;
        let catalogue = serde_json::from_slice(&text).map_err(|error| DeliveryError::Cache {
            path: file,
            error: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
        })?;
        Ok(Some(Self { path: path.to_owned(), catalogue }))
    }

    /// All folders below `cache`, the newest first.
    pub(crate) fn all(cache: &Path) -> Result<Vec<Self>, DeliveryError> {
        let mut found = Vec::new();
        for version in entries(cache)? {
            for path in entries(&version)? {
                let changed =
                    path.join(ABOUT).join("source.json").metadata().and_then(|about| about.modified());
                if let (Ok(changed), Some(folder)) = (changed, Self::open(&path)?) {
                    found.push((changed, folder));
                }
            }
        }
        found.sort_by_key(|(changed, folder)| (std::cmp::Reverse(*changed), folder.path.clone()));
        Ok(found.into_iter().map(|(_, folder)| folder).collect())
    }

    /// Where `name` of the catalogue is.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Waits until nobody else writes.
    pub(crate) fn lock(&self) -> Result<Locked, DeliveryError> {
        let path = self.path.join(ABOUT).join("lock");
        let failed = DeliveryError::cache(&path);
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(&failed)?;
        file.lock().map_err(&failed)?;
        Ok(Locked(file))
    }

    /// Writes `bytes` at `at` of the file `name`, through to the disk. The caller holds the lock.
    pub(crate) fn write(&self, name: &str, at: u64, bytes: &[u8]) -> Result<(), DeliveryError> {
        let path = self.file(name);
        let failed = DeliveryError::cache(&path);
        let file = OpenOptions::new().write(true).open(&path).map_err(&failed)?;
        let written = file.write_all_at(bytes, at).and_then(|()| file.sync_data());
        written.and_then(|()| file.set_modified(changed())).map_err(&failed)
    }

    /// Which bytes are there, by file.
    pub(crate) fn present(&self) -> Result<BTreeMap<String, Present>, DeliveryError> {
        let path = self.journal();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(DeliveryError::cache(&path)(error)),
        };
        let mut present: BTreeMap<String, Present> = BTreeMap::new();
        // A line that was cut short is one that was not written: what it told of is fetched again.
        for (name, range) in text.split_inclusive('\n').filter_map(note) {
            if self.catalogue.files.get(name).is_some_and(|entry| range.end <= entry.size) {
                present.entry(name.to_owned()).or_default().add(range);
            }
        }
        Ok(present)
    }

    /// Notes that `ranges` are on the disk. The caller holds the lock.
    pub(crate) fn add_present(&self, ranges: &[(String, Range<u64>)]) -> Result<(), DeliveryError> {
        let path = self.journal();
        let failed = DeliveryError::cache(&path);
        let cut_short = std::fs::read(&path).is_ok_and(|text| text.last().is_some_and(|last| *last != b'\n'));
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(&failed)?;
        let lines: String =
            ranges.iter().map(|(name, range)| format!("{} {} {name}\n", range.start, range.end)).collect();
        let lines = if cut_short { format!("\n{lines}") } else { lines };
        file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()).map_err(&failed)
    }

    /// Forgets all that was noted but `present`. The caller holds the lock.
    pub(crate) fn set_present(&self, present: &BTreeMap<String, Present>) -> Result<(), DeliveryError> {
        let path = self.journal();
        let failed = DeliveryError::cache(&path);
        let partial = path.with_extension("partial");
        let ranges = present.iter().flat_map(|(name, have)| have.0.iter().map(move |range| (name, range)));
        let lines: String = ranges.map(|(name, r)| format!("{} {} {name}\n", r.start, r.end)).collect();
        std::fs::write(&partial, lines).and_then(|()| std::fs::rename(&partial, &path)).map_err(&failed)
    }

    fn journal(&self) -> PathBuf {
        self.path.join(ABOUT).join("present")
    }

    /// Removes all of it.
    pub(crate) fn remove(self) -> Result<(), DeliveryError> {
        std::fs::remove_dir_all(&self.path).map_err(DeliveryError::cache(&self.path))?;
        // The version's folder, if this was all of it.
        if let Some(version) = self.path.parent() {
            std::fs::remove_dir(version).ok();
        }
        Ok(())
    }
}

/// The time of change that files of the cache have: a pack file made from them names it.
pub(crate) fn changed() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30)
}

/// A line of the journal.
fn note(line: &str) -> Option<(&str, Range<u64>)> {
    let mut words = line.strip_suffix('\n')?.splitn(3, ' ');
    let mut number = || words.next()?.parse().ok();
    let range = number()?..number()?;
    Some((words.next()?, range))
}

/// What is in `folder`, in order; nothing if it does not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DeliveryError> {
    let failed = DeliveryError::cache(folder);
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            let mut paths: Vec<PathBuf> =
                entries.map(|entry| Ok(entry?.path())).collect::<Result<_, _>>().map_err(&failed)?;
            paths.retain(|path| path.is_dir());
            paths.sort();
            Ok(paths)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "lists of ranges, some of them short")]
mod tests {
    use super::*;

    fn present(ranges: &[Range<u64>]) -> Present {
        let mut present = Present::default();
        ranges.iter().for_each(|range| present.add(range.clone()));
        present
    }

    #[test]
    fn ranges_that_touch_become_one() {
        assert_eq!(present(&[10..20, 30..40, 20..30]).0, vec![10..40]);
        assert_eq!(present(&[30..40, 0..5, 10..20]).0, vec![0..5, 10..20, 30..40]);
        assert_eq!(present(&[10..20, 12..15, 0..100]).0, vec![0..100]);
        assert_eq!(present(&[5..5]).0, vec![]);
        assert_eq!(present(&[0..5, 10..20]).bytes(), 15);
    }

    #[test]
    fn what_is_missing_is_what_is_asked_for_without_what_is_there() {
        let have = present(&[10..20, 30..40]);
        assert_eq!(have.missing(&(0..50)), vec![0..10, 20..30, 40..50]);
        assert_eq!(have.missing(&(10..20)), vec![]);
        assert_eq!(have.missing(&(15..35)), vec![20..30]);
        assert_eq!(have.missing(&(20..30)), vec![20..30]);
    }

    #[test]
    fn a_part_can_be_forgotten() {
        let mut have = present(&[10..20, 30..40]);
        have.remove(&(15..35));
        assert_eq!(have.0, vec![10..15, 35..40]);
        have.remove(&(0..100));
        assert_eq!(have, Present::default());
    }

    #[test]
    fn a_note_that_was_cut_short_does_not_count_and_harms_no_other() {
        let cache = tempfile::tempdir().unwrap();
        let crate::Source::Remote(source) = "https://host/m".parse().unwrap() else { unreachable!() };
        let entry = Entry { size: 100, etag: None, sha256: None };
        let catalogue = Catalogue {
            asked: source.to_string(),
            source: source.to_string(),
            files: [("a file".to_owned(), entry)].into(),
        };
        let folder = Folder::create(catalogue.path(cache.path(), &source), catalogue).unwrap();
        assert_eq!(folder.file("a file").metadata().unwrap().len(), 100);
        folder.add_present(&[("a file".to_owned(), 0..10)]).unwrap();
        let text = std::fs::read_to_string(folder.journal()).unwrap();
        std::fs::write(folder.journal(), format!("{text}20 90 a fi")).unwrap();
        assert_eq!(folder.present().unwrap()["a file"], present(&[0..10]));
        folder.add_present(&[("a file".to_owned(), 50..60)]).unwrap();
        assert_eq!(folder.present().unwrap()["a file"], present(&[0..10, 50..60]));
        // Of another file, or beyond the end: from elsewhere.
        folder.add_present(&[("b".to_owned(), 0..1), ("a file".to_owned(), 90..101)]).unwrap();
        assert_eq!(folder.present().unwrap().len(), 1);
        assert_eq!(folder.present().unwrap()["a file"].bytes(), 20);
    }
}
