//! API keys: who may ask for what, and how much of it.
//!
//! Keeps true: keys are known by their digests only; finding one takes the same time whatever was sent; a file that
//! cannot be used never takes the place of one that can.

mod line;
mod usage;

pub use line::{KeyLine, Scope};
pub(crate) use usage::{Excess, Running};

use conclave_types::Digest;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use usage::Usage;

/// How often the file is looked at.
const POLL: Duration = Duration::from_secs(2);

/// The keys file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the keys file {}: {why}", path.display())]
pub struct KeysError {
    /// The file.
    path: PathBuf,
    /// What is wrong.
    why: String,
}

/// A key that a request may come with.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) line: KeyLine,
    usage: Usage,
}

impl Key {
    fn new(line: KeyLine) -> Self {
        let usage = Usage::new(line.requests_per_minute, line.requests_at_once);
        Self { line, usage }
    }

    pub(crate) fn opens(&self, scope: Scope) -> bool {
        self.line.scopes.contains(&scope)
    }

    /// Counts a request that generates, until what is returned is dropped.
    ///
    /// - Errors: there are too many now.
    pub(crate) fn begin(self: &Arc<Self>) -> Result<Running, Excess> {
        Running::begin(self.clone(), std::time::Instant::now())
    }
}

/// The keys that the server knows.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    asked: bool,
    known: Arc<RwLock<Vec<Arc<Key>>>>,
}

fn read(path: &Path) -> Result<(String, Vec<KeyLine>), KeysError> {
    let bad = |why: String| KeysError { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let lines = KeyLine::all(&text).map_err(bad)?;
    Ok((text, lines))
}

impl Keys {
    /// The keys `given` as they are, which open all but [`Scope::Admin`], and those of `file`, which is read again when
    /// it changes. Needs a runtime.
    ///
    /// - Errors: the file cannot be used.
    pub(crate) fn load(given: &[String], file: Option<&Path>) -> Result<Self, KeysError> {
        Self::load_every(POLL, given, file)
    }

    fn load_every(poll: Duration, given: &[String], file: Option<&Path>) -> Result<Self, KeysError> {
        let given = given.iter().enumerate().map(|(at, key)| KeyLine {
            name: format!("api_key-{}", at + 1),
            scopes: vec![Scope::Infer, Scope::Read],
            digest: Digest::of(key.as_bytes()),
            requests_per_minute: None,
            requests_at_once: None,
        });
        let given: Vec<Arc<Key>> = given.map(|line| Arc::new(Key::new(line))).collect();
        let known = Arc::new(RwLock::new(given.clone()));
        let keys = Self { asked: !given.is_empty() || file.is_some(), known };
        let Some(file) = file else { return Ok(keys) };
        let (text, lines) = read(file)?;
        keys.set(&given, lines);
        let (known, file) = (Arc::downgrade(&keys.known), file.to_owned());
        tokio::spawn(async move {
            let (mut text, mut said) = (text, String::new());
            loop {
                tokio::time::sleep(poll).await;
                let Some(known) = known.upgrade() else { return };
                match read(&file) {
                    Ok((fresh, _)) if fresh == text => said.clear(),
                    Ok((fresh, lines)) => {
                        tracing::info!(keys = lines.len(), file = %file.display(), "new API keys in use");
                        Self { asked: true, known }.set(&given, lines);
                        (text, said) = (fresh, String::new());
                    }
                    Err(error) => {
                        let error = error.to_string();
                        if error != said {
                            tracing::error!(
                                error,
                                "the new API keys cannot be used; the old ones stay in use"
                            );
                            said = error;
                        }
                    }
                }
            }
        });
        Ok(keys)
    }

    /// Takes `lines` into use beside the keys that were `given`; a key whose line stays keeps its count.
    fn set(&self, given: &[Arc<Key>], lines: Vec<KeyLine>) {
        let mut known = self.known.write().expect("no panic holds this lock");
        let old = std::mem::replace(&mut *known, given.to_vec());
        known.extend(lines.into_iter().map(|line| {
            let same = old.iter().find(|key| key.line == line).cloned();
            same.unwrap_or_else(|| Arc::new(Key::new(line)))
        }));
    }

    /// Whether requests need a key.
    pub(crate) fn asked(&self) -> bool {
        self.asked
    }

    /// The key that was sent, if it is one of ours.
    pub(crate) fn find(&self, sent: &str) -> Option<Arc<Key>> {
        let sent = Digest::of(sent.as_bytes());
        let mut found = None;
        // All of them, whatever was found: how long this takes tells nothing.
        for key in self.known.read().expect("no panic holds this lock").iter() {
            let differing = sent.0.iter().zip(key.line.digest.0).fold(0, |sum, (a, b)| sum | (a ^ b));
            if std::hint::black_box(differing) == 0 {
                found = Some(key.clone());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_key_infers_and_reads() {
        let keys = Keys::load(&["correct-horse".to_owned()], None).unwrap();
        let key = keys.find("correct-horse").unwrap();
        assert!(key.opens(Scope::Infer) && key.opens(Scope::Read) && !key.opens(Scope::Admin));
        assert!(keys.find("correct-horsf").is_none() && keys.find("").is_none());
        assert!(keys.asked() && !Keys::load(&[], None).unwrap().asked());
    }

    #[tokio::test]
    async fn the_file_is_read_again_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        let line = |key: &str| format!("{key} admin blake3:{}\n", Digest::of(key.as_bytes()));
        std::fs::write(&file, line("first")).unwrap();
        let poll = Duration::from_millis(20);
        let keys = Keys::load_every(poll, &["given".to_owned()], Some(&file)).unwrap();
        let until = async |holds: &dyn Fn() -> bool| {
            while !holds() {
                tokio::time::sleep(poll).await;
            }
        };
        let first = keys.find("first").unwrap();
        assert!(keys.find("given").is_some());
        std::fs::write(&file, line("first") + &line("second")).unwrap();
        until(&|| keys.find("second").is_some()).await;
        assert!(Arc::ptr_eq(&keys.find("first").unwrap(), &first));
        std::fs::write(&file, "nonsense").unwrap();
        tokio::time::sleep(poll * 5).await;
        assert!(keys.find("second").is_some());
        std::fs::write(&file, line("second")).unwrap();
        until(&|| keys.find("first").is_none()).await;
        assert!(keys.find("given").is_some());
        assert!(Keys::load(&[], Some(&folder.path().join("none"))).is_err());
    }
}
