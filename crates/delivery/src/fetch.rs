//! Fetching: what is missing, in parts, several at once, again where a part fails, no faster than allowed.
//!
//! Keeps true: a part counts when it is on the disk and noted; what was fetched before an error stays.

use crate::DeliveryError;
use crate::cache::{Folder, Present, changed};
use crate::remote::Remote;
use conclave_model::Progress;
use conclave_transport::Pace;
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// A part of a file that is asked for by itself.
const PART: u64 = 8 << 20;
/// Parts that are under way at once: one connection seldom fills a line.
const AT_ONCE: usize = 8;
/// Bytes between two wanted ranges that are cheaper fetched than left out.
const GAP: u64 = 64 << 10;
/// How often a part is asked for.
const TRIES: u32 = 5;
/// Pause after the first failure of a part; doubled after each.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes that are fetched under one lock, so that several processes get on side by side.
pub(crate) const TURN: u64 = 256 << 20;

/// A part of a file.
pub(crate) type Wanted = (String, Range<u64>);

/// What of `wanted` is missing, as parts in order; at most [`TURN`] bytes. Files that can be had only `whole` are one part.
pub(crate) fn missing(
    present: &BTreeMap<String, Present>,
    wanted: &[Wanted],
    whole: &BTreeMap<String, u64>,
) -> Vec<Wanted> {
    let none = Present::default();
    let mut by_file: BTreeMap<&str, Vec<Range<u64>>> = BTreeMap::new();
    for (file, range) in wanted {
        let missing = present.get(file).unwrap_or(&none).missing(range);
        if !missing.is_empty() {
            by_file.entry(file).or_default().extend(missing);
        }
    }
    let mut parts = Vec::new();
    let mut turn = 0;
    for (file, mut ranges) in by_file {
        if let Some(size) = whole.get(file) {
            parts.push((file.to_owned(), 0..*size));
            continue;
        }
        ranges.sort_by_key(|range| range.start);
        for range in joined(ranges) {
            let mut start = range.start;
            while start < range.end && turn < TURN {
                let end = range.end.min(start + PART);
                turn += end - start;
                parts.push((file.to_owned(), start..end));
                start = end;
            }
        }
    }
    parts
}

/// `ranges`, in order, with those made one that overlap or are close together.
fn joined(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end + GAP => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Fetches `parts` into `folder` and notes them. The caller holds the folder's lock.
pub(crate) async fn fetch(
    folder: &Folder,
    remote: &Remote,
    parts: Vec<Wanted>,
    pace: &Pace,
    progress: &Progress,
) -> Result<(), DeliveryError> {
    let mut files = BTreeMap::new();
    for (name, _) in &parts {
        if !files.contains_key(name) {
            let path = folder.file(name);
            let file = OpenOptions::new().write(true).open(&path).map_err(DeliveryError::cache(&path))?;
            files.insert(name.clone(), file);
        }
    }
    let files = &files;
    let mut running = futures::stream::iter(parts)
        .map(|part| async move {
            let result = fetch_part(folder, remote, &files[&part.0], &part, pace, progress).await;
            result.map(|()| part)
        })
        .buffer_unordered(AT_ONCE);
    let (mut done, mut failure) = (Vec::new(), None);
    while let Some(result) = running.next().await {
        match result {
            Ok(part) => done.push(part),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    drop(running);
    for name in done.iter().map(|(name, _)| name).collect::<BTreeSet<_>>() {
        let path = folder.file(name);
        let failed = DeliveryError::cache(&path);
        files[name].sync_data().and_then(|()| files[name].set_modified(changed())).map_err(failed)?;
    }
    folder.add_present(&done)?;
    match failure {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

async fn fetch_part(
    folder: &Folder,
    remote: &Remote,
    file: &File,
    (name, range): &Wanted,
    pace: &Pace,
    progress: &Progress,
) -> Result<(), DeliveryError> {
    let entry = &folder.catalogue.files[name];
    let whole = *range == (0..entry.size);
    let mut at = range.start;
    let mut tries = 0;
    loop {
        let before = at;
        let result = async {
            let mut stream = remote.read(name, entry, at..range.end).await?;
            while let Some(bytes) = stream.next().await {
                let bytes = bytes?;
                let take = bytes.len().min((range.end - at) as usize);
                pace.wait(take as u64).await;
                let path = folder.file(name);
                file.write_all_at(&bytes[..take], at).map_err(DeliveryError::cache(&path))?;
                at += take as u64;
                progress.done(take as u64);
            }
            Ok::<_, DeliveryError>(())
        };
        let error = match result.await {
            Ok(()) if at == range.end => return Ok(()),
            Ok(()) => DeliveryError::Unreachable {
                source_text: remote.source.to_string(),
                why: format!("{name}: the answer ends {} bytes early", range.end - at),
            },
            Err(error) => error,
        };
        if matches!(error, DeliveryError::NoParts { .. }) && whole {
            // The rest cannot be had by itself.
            at = 0;
            tries += 1;
        } else {
            // Whoever gets on is not at the end of their patience.
            tries = if at > before { 1 } else { tries + 1 };
            if !error.may_pass() {
                return Err(error);
            }
        }
        if tries >= TRIES {
            return Err(error);
        }
        tracing::debug!(%error, name, at, "asking again");
        tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "lists of ranges, some of them short")]
mod tests {
    use super::*;

    const NONE: BTreeMap<String, u64> = BTreeMap::new();

    fn wanted(ranges: &[Range<u64>]) -> Vec<Wanted> {
        ranges.iter().map(|range| ("f".to_owned(), range.clone())).collect()
    }

    #[test]
    fn close_ranges_are_one_request_and_far_ones_are_two() {
        let near = wanted(&[0..100, 100 + GAP..200 + GAP]);
        assert_eq!(missing(&BTreeMap::new(), &near, &NONE), wanted(&[0..200 + GAP]));
        let far = wanted(&[0..100, 101 + GAP..200 + GAP]);
        assert_eq!(missing(&BTreeMap::new(), &far, &NONE), far);
        let mixed = wanted(&[500..600, 0..100, 50..550]);
        assert_eq!(missing(&BTreeMap::new(), &mixed, &NONE), wanted(&[0..600]));
    }

    #[test]
    fn large_ranges_come_in_parts_and_turns() {
        let parts = missing(&BTreeMap::new(), &wanted(&[10..2 * PART + 20]), &NONE);
        assert_eq!(parts, wanted(&[10..PART + 10, PART + 10..2 * PART + 10, 2 * PART + 10..2 * PART + 20]));
        let turn = missing(&BTreeMap::new(), &wanted(&[0..10 * TURN]), &NONE);
        assert_eq!(turn.iter().map(|(_, range)| range.end - range.start).sum::<u64>(), TURN);
    }

    #[test]
    fn what_is_there_is_not_fetched_again() {
        let mut have = Present::default();
        have.add(100..1_000_000);
        let present = [("f".to_owned(), have)].into();
        assert_eq!(
            missing(&present, &wanted(&[0..2_000_000]), &NONE),
            wanted(&[0..100, 1_000_000..2_000_000])
        );
        assert_eq!(missing(&present, &wanted(&[100..1_000_000]), &NONE), wanted(&[]));
    }

    #[test]
    fn a_file_that_comes_only_whole_is_one_part() {
        let whole = [("f".to_owned(), 3 * PART)].into();
        assert_eq!(
            missing(&BTreeMap::new(), &wanted(&[5..10, 2 * PART..2 * PART + 1]), &whole),
            wanted(&[0..3 * PART])
        );
        let mut have = Present::default();
        have.add(0..100);
        let present = [("f".to_owned(), have)].into();
        assert_eq!(missing(&present, &wanted(&[5..10]), &whole), wanted(&[]));
    }
}
