//! A model that is fetched: opened by its description and its files' headers alone, the rest when somebody wants it.

use crate::cache::{Catalogue, Folder, Present, hex};
use crate::fetch::{Wanted, fetch, missing};
use crate::remote::{Entry, Environment, Remote};
use crate::{DeliveryError, RemoteSource};
use conclave_model::{FileRange, ModelError, Progress, Supply, Unit, gguf};
use conclave_transport::Pace;
use conclave_types::Bytes;
use futures::{StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// The manifest that a place may have beside the weights, as `conclave manifest` writes it.
pub const MANIFEST: &str = "conclave-manifest.json";
/// A folder's files that are no weights; the first is needed.
const SMALL: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    MANIFEST,
];
const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";
/// So much of a weight file is fetched first: most have their header in it.
const HEAD: u64 = 512 << 10;
/// No header is larger; a file that says so is damaged.
const HEADER_MAX: u64 = 256 << 20;
/// How deep below the model's folder a GGUF file may be, counting itself and the folder.
const DEPTH_MAX: usize = 6;
/// Files that are described at once.
const AT_ONCE: usize = 8;

/// Where models are kept, and how they are fetched.
#[derive(Clone, Debug, clap::Args)]
pub struct DeliveryOptions {
    /// Folder for models that are fetched; default: conclave/models in the user's cache folder.
    #[arg(long, env = "CONCLAVE_MODEL_CACHE")]
    pub model_cache: Option<PathBuf>,
    /// Fetch models no faster than this, so that tokens keep their way: a second's size, such as 64MiB. Default: as fast
    /// as it goes.
    #[arg(long, env = "CONCLAVE_FETCH_RATE_MAX")]
    pub fetch_rate_max: Option<Bytes>,
}

impl DeliveryOptions {
    /// Every problem at once.
    pub fn validate(&self) -> Vec<String> {
        let none = self.fetch_rate_max == Some(Bytes(0));
        none.then(|| "fetch_rate_max is 0; it can be 1 or more".to_owned()).into_iter().collect()
    }

    /// The cache; `environment` says where the user's is.
    ///
    /// Errors: there is no folder to keep it in.
    pub fn cache(&self, environment: &Environment) -> Result<PathBuf, DeliveryError> {
        let below = |key: &str, path: &str| Some(Path::new(environment.get(key)?).join(path));
        let found = self.model_cache.clone();
        let found = found.or_else(|| below("XDG_CACHE_HOME", "conclave/models"));
        found.or_else(|| below("HOME", ".cache/conclave/models")).ok_or_else(|| {
            DeliveryError::Settings("no folder for models: pass --model-cache FOLDER".to_owned())
        })
    }
}

/// Where a model's files are put.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// A folder of this cache, for each version of the model one.
    Cache(&'a Path),
    /// This very folder.
    Folder(&'a Path),
}

impl Destination<'_> {
    /// What is there already, the newest first.
    fn known(self) -> Result<Vec<Folder>, DeliveryError> {
        match self {
            Self::Cache(cache) => Folder::all(cache),
            Self::Folder(path) => Ok(Folder::open(path)?.into_iter().collect()),
        }
    }
}

/// A model that is fetched as it is wanted.
pub struct Delivery {
    folder: Folder,
    source: RemoteSource,
    environment: Environment,
    remote: OnceCell<Remote>,
    present: Mutex<BTreeMap<String, Present>>,
    /// Files of which the server gives no parts, and their sizes.
    whole: Mutex<BTreeMap<String, u64>>,
    pace: Pace,
    progress: Progress,
    fetcher: Fetcher,
}

/// The thread that fetches. Dropped without waiting: the last user may be on a thread that must not wait.
struct Fetcher(Option<Runtime>);

impl Fetcher {
    fn start() -> Result<Self, DeliveryError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("delivery")
            .enable_all()
            .build();
        runtime.map(|runtime| Self(Some(runtime))).map_err(|error| {
            DeliveryError::Settings(format!("cannot start the thread that fetches: {error}"))
        })
    }

    /// Has it do `work` and waits, whatever thread this is.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, DeliveryError>> + Send + 'static,
    ) -> Result<T, DeliveryError> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let runtime = self.0.as_ref().expect("it is taken only when dropped");
        runtime.spawn(async move { tell.send(work.await) });
        told.recv().unwrap_or_else(|_| Err(DeliveryError::Settings("fetching stopped by a panic".to_owned())))
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Delivery {
    /// Finds out what `source` is now and fetches its description and the headers of its files. A source that does not answer
    /// is taken as it was last.
    pub fn open(
        source: &RemoteSource,
        into: Destination<'_>,
        options: &DeliveryOptions,
        environment: Environment,
        progress: Progress,
    ) -> Result<Arc<Self>, DeliveryError> {
        let fetcher = Fetcher::start()?;
        let known = || -> Result<Option<Folder>, DeliveryError> {
            let text = source.to_string();
            let is_it = |folder: &Folder| folder.catalogue.source == text || folder.catalogue.asked == text;
            Ok(into.known()?.into_iter().find(is_it))
        };
        let pinned = if source.is_pinned() { known()? } else { None };
        let (folder, remote) = match pinned {
            Some(folder) => (folder, OnceCell::new()),
            None => match fetcher.wait(describe(source.clone(), environment.clone())) {
                Ok((remote, catalogue)) => {
                    let path = match into {
                        Destination::Cache(cache) => catalogue.path(cache, source),
                        Destination::Folder(path) => path.to_owned(),
                    };
                    (Folder::create(path, catalogue)?, OnceCell::from(remote))
                }
                Err(error) if error.may_pass() => match known()? {
                    Some(folder) => {
                        tracing::warn!(%error, "using the model as it was fetched before");
                        (folder, OnceCell::new())
                    }
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            },
        };
        Self::of(folder, source.clone(), remote, options, environment, progress, fetcher)
    }

    /// The model at `path`, a folder of a cache or a GGUF file in one; `None`: that is no such folder.
    pub fn reopen(
        path: &Path,
        options: &DeliveryOptions,
        environment: Environment,
        progress: Progress,
    ) -> Result<Option<Arc<Self>>, DeliveryError> {
        let Some(folder) = Folder::around(path)? else { return Ok(None) };
        let source = match folder.catalogue.source.parse() {
            Ok(crate::Source::Remote(source)) => source,
            _ => {
                let why = format!("{}: `{}` is no source", path.display(), folder.catalogue.source);
                return Err(DeliveryError::Settings(why));
            }
        };
        let remote = OnceCell::new();
        Self::of(folder, source, remote, options, environment, progress, Fetcher::start()?).map(Some)
    }

    fn of(
        folder: Folder,
        source: RemoteSource,
        remote: OnceCell<Remote>,
        options: &DeliveryOptions,
        environment: Environment,
        progress: Progress,
        fetcher: Fetcher,
    ) -> Result<Arc<Self>, DeliveryError> {
        let present = Mutex::new(folder.present()?);
        let pace = Pace::new(options.fetch_rate_max.map(|rate| rate.0));
        let whole = Mutex::default();
        let delivery =
            Arc::new(Self { folder, source, environment, remote, present, whole, pace, progress, fetcher });
        delivery.clone().bring_headers()?;
        Ok(delivery)
    }

    /// The folder or GGUF file to open.
    pub fn path(&self) -> PathBuf {
        match &self.source.gguf {
            Some(file) => self.folder.file(file),
            None => self.folder.path.clone(),
        }
    }

    /// The source at a revision that does not move, if it has revisions: for another process that shall use the same.
    pub fn source(&self) -> &str {
        &self.folder.catalogue.source
    }

    /// Whether all of `range` is here.
    pub fn has(&self, range: &FileRange) -> bool {
        let present = self.present.lock().expect("no panic holds this lock");
        let all =
            |(name, range): &Wanted| present.get(name).is_some_and(|have| have.missing(range).is_empty());
        self.wanted(std::slice::from_ref(range)).iter().all(all)
    }

    /// Bytes that are here, and bytes of all files.
    pub fn held(&self) -> (u64, u64) {
        self.folder.held(&self.present.lock().expect("no panic holds this lock"))
    }

    /// Brings every byte here, and compares the files with the SHA-256 that the place gives of them, if it does.
    pub fn bring_all(self: &Arc<Self>) -> Result<(), DeliveryError> {
        let files = self.folder.catalogue.files.iter();
        let all: Vec<Wanted> = files.map(|(name, entry)| (name.clone(), 0..entry.size)).collect();
        self.bring_parts(&all)?;
        let known: Vec<(&String, &String, u64)> = self
            .folder
            .catalogue
            .files
            .iter()
            .filter_map(|(name, entry)| Some((name, entry.sha256.as_ref()?, entry.size)))
            .collect();
        let bytes = known.iter().map(|(.., size)| size).sum();
        let _piece = self.progress.begin("checking what was fetched", bytes, Unit::Bytes);
        for (name, expected, _) in known {
            let path = self.folder.file(name);
            let found = sha256(&path, &self.progress).map_err(DeliveryError::cache(&path))?;
            if found != *expected {
                self.forget(&[(name.clone(), 0..u64::MAX)])?;
                let (source_text, expected) = (self.source.to_string(), expected.clone());
                return Err(DeliveryError::WrongSha { source_text, file: path, expected, found });
            }
        }
        Ok(())
    }

    /// Writes `bytes` for `range`; of a file that is none of the model's, nothing.
    fn put(&self, range: &FileRange, bytes: &[u8]) -> Result<(), DeliveryError> {
        let wanted = self.wanted(std::slice::from_ref(range));
        let Some((name, range)) = wanted.first() else { return Ok(()) };
        let _locked = self.folder.lock()?;
        self.folder.write(name, range.start, bytes)?;
        self.folder.add_present(&wanted)?;
        let mut present = self.present.lock().expect("no panic holds this lock");
        present.entry(name.clone()).or_default().add(range.clone());
        Ok(())
    }

    /// Forgets that `damaged` are here: they are fetched again when they are wanted. Ranges of other files are let be.
    pub fn forget_ranges(&self, damaged: &[FileRange]) -> Result<(), DeliveryError> {
        self.forget(&self.wanted(damaged))
    }

    fn forget(&self, damaged: &[Wanted]) -> Result<(), DeliveryError> {
        let _locked = self.folder.lock()?;
        let mut present = self.folder.present()?;
        for (name, range) in damaged {
            if let Some(have) = present.get_mut(name) {
                have.remove(range);
            }
        }
        self.folder.set_present(&present)?;
        *self.present.lock().expect("no panic holds this lock") = present;
        Ok(())
    }

    fn bring_headers(self: Arc<Self>) -> Result<(), DeliveryError> {
        let size = |name: &str| self.folder.catalogue.files[name].size;
        let weights = |name: &&String| name.ends_with(".safetensors") || name.ends_with(".gguf");
        let (weights, small): (Vec<&String>, Vec<&String>) =
            self.folder.catalogue.files.keys().partition(weights);
        let mut wanted: Vec<Wanted> = small.iter().map(|name| ((*name).clone(), 0..size(name))).collect();
        wanted.extend(weights.iter().map(|name| ((*name).clone(), 0..size(name).min(HEAD))));
        self.bring_parts(&wanted)?;
        for name in weights {
            self.bring_header(name, size(name))?;
        }
        Ok(())
    }

    /// The rest of a header of which [`HEAD`] bytes are here.
    fn bring_header(self: &Arc<Self>, name: &str, size: u64) -> Result<(), DeliveryError> {
        let damaged = |why: String| DeliveryError::Damaged {
            source_text: self.source.to_string(),
            file: name.to_owned(),
            why,
        };
        let path = self.folder.file(name);
        let failed = DeliveryError::cache(&path);
        let file = File::open(&path).map_err(&failed)?;
        if name.ends_with(".safetensors") {
            let mut len = [0; 8];
            if size < 8 {
                return Err(damaged(format!("it has {size} bytes, which are no safetensors file")));
            }
            file.read_exact_at(&mut len, 0).map_err(&failed)?;
            let end = u64::from_le_bytes(len).saturating_add(8);
            if end > size.min(HEADER_MAX) {
                return Err(damaged(format!("it says that its header has {end} bytes, which cannot be")));
            }
            return self.bring_parts(&[(name.to_owned(), 0..end)]);
        }
        // How long a GGUF header is shows only when it is read.
        let mut have = size.min(HEAD);
        loop {
            let mut bytes = vec![0; have as usize];
            file.read_exact_at(&mut bytes, 0).map_err(&failed)?;
            match gguf::check_header(Path::new(name), &bytes, size) {
                Ok(()) => return Ok(()),
                Err(error) if have == size.min(HEADER_MAX) => return Err(damaged(error.to_string())),
                Err(_) => have = (have * 4).min(size).min(HEADER_MAX),
            }
            self.bring_parts(&[(name.to_owned(), 0..have)])?;
        }
    }

    /// As ranges of the place's files.
    fn wanted(&self, ranges: &[FileRange]) -> Vec<Wanted> {
        let names = |range: &FileRange| {
            let name = range.file.strip_prefix(&self.folder.path).ok()?.to_str()?;
            self.folder.catalogue.files.contains_key(name).then(|| (name.to_owned(), range.bytes.clone()))
        };
        ranges.iter().filter_map(names).collect()
    }

    fn bring_parts(self: &Arc<Self>, wanted: &[Wanted]) -> Result<(), DeliveryError> {
        let none = Present::default();
        let lacking = |present: &BTreeMap<String, Present>| -> u64 {
            let parts =
                wanted.iter().flat_map(|(name, range)| present.get(name).unwrap_or(&none).missing(range));
            parts.map(|part| part.end - part.start).sum()
        };
        let bytes = lacking(&self.present.lock().expect("no panic holds this lock"));
        if bytes == 0 {
            return Ok(());
        }
        let _piece = self.progress.begin("fetching the model", bytes, Unit::Bytes);
        loop {
            let locked = self.folder.lock()?;
            // Another process may have fetched some of it.
            let present = self.folder.present()?;
            let parts = missing(&present, wanted, &self.whole.lock().expect("no panic holds this lock"));
            *self.present.lock().expect("no panic holds this lock") = present;
            if parts.is_empty() {
                return Ok(());
            }
            let this = self.clone();
            let fetched = self.fetcher.wait(async move {
                let remote = this.remote.get_or_try_init(|| Remote::open(&this.source, &this.environment));
                let remote = remote.await?;
                fetch(&this.folder, remote, parts, &this.pace, &this.progress).await
            });
            match fetched {
                Err(DeliveryError::NoParts { file })
                    if !self.whole.lock().expect("no panic holds this lock").contains_key(&file) =>
                {
                    let size = self.folder.catalogue.files[&file].size;
                    self.whole.lock().expect("no panic holds this lock").insert(file, size);
                }
                fetched => fetched?,
            }
            drop(locked);
        }
    }
}

impl Folder {
    /// The fetched folder that `path` is, or is a file in.
    fn around(path: &Path) -> Result<Option<Self>, DeliveryError> {
        let folders = path.ancestors().take(DEPTH_MAX).map(Self::open);
        folders.flat_map(Result::transpose).next().transpose()
    }

    pub(crate) fn held(&self, present: &BTreeMap<String, Present>) -> (u64, u64) {
        let held = present.values().map(Present::bytes).sum();
        (held, self.catalogue.files.values().map(|entry| entry.size).sum())
    }
}

/// What [`ModelFolder`](conclave_model::ModelFolder) asks.
pub struct Supplier(pub Arc<Delivery>);

impl Supply for Supplier {
    fn bring(&self, wanted: &[FileRange]) -> Result<(), ModelError> {
        let parts = self.0.wanted(wanted);
        self.0.bring_parts(&parts).map_err(|error| ModelError::Supply(Box::new(error)))
    }

    fn has(&self, range: &FileRange) -> bool {
        self.0.has(range)
    }

    fn put(&self, range: &FileRange, bytes: &[u8]) -> Result<(), ModelError> {
        self.0.put(range, bytes).map_err(|error| ModelError::Supply(Box::new(error)))
    }

    fn forget(&self, range: &FileRange) -> Result<(), ModelError> {
        let forgotten = self.0.forget_ranges(std::slice::from_ref(range));
        forgotten.map_err(|error| ModelError::Supply(Box::new(error)))
    }

    fn bring_all(&self) -> Result<(), ModelError> {
        self.0.bring_all().map_err(|error| ModelError::Supply(Box::new(error)))
    }
}

/// A model of the cache.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Kept {
    /// What it is a copy of.
    pub source: String,
    /// Its folder.
    pub path: PathBuf,
    /// Bytes that are here.
    pub held: u64,
    /// Bytes of all its files.
    pub bytes: u64,
}

impl Kept {
    fn of(folder: Folder) -> Result<Self, DeliveryError> {
        let (held, bytes) = folder.held(&folder.present()?);
        Ok(Self { source: folder.catalogue.source, path: folder.path, held, bytes })
    }
}

/// What `cache` has, the newest first.
pub fn kept(cache: &Path) -> Result<Vec<Kept>, DeliveryError> {
    Folder::all(cache)?.into_iter().map(Kept::of).collect()
}

/// What is here of the model that was, or is being, fetched into `path`; asks nobody. `None`: `path` is no such folder, or no
/// such folder yet.
pub fn kept_at(path: &Path) -> Result<Option<Kept>, DeliveryError> {
    Folder::around(path)?.map(Kept::of).transpose()
}

/// Removes every version of `source` from `cache`; the bytes that were held.
pub fn remove(cache: &Path, source: &RemoteSource) -> Result<u64, DeliveryError> {
    let text = source.to_string();
    let mut freed = 0;
    let mut found = false;
    for folder in Folder::all(cache)? {
        if folder.catalogue.source == text || folder.catalogue.asked == text {
            freed += folder.held(&folder.present()?).0;
            found = true;
            folder.remove()?;
        }
    }
    if !found {
        let what = format!("such model in {}; `conclave model list` says what there is", cache.display());
        return Err(DeliveryError::Missing { source_text: text, what });
    }
    Ok(freed)
}

/// Opens the place and lists the files that make up the model.
async fn describe(
    source: RemoteSource,
    environment: Environment,
) -> Result<(Remote, Catalogue), DeliveryError> {
    let remote = Remote::open(&source, &environment).await?;
    let mut files = BTreeMap::new();
    let missing = |what: String| DeliveryError::Missing { source_text: source.to_string(), what };
    if let Some(file) = &source.gguf {
        let parts = gguf::parts(Path::new(file)).into_iter().map(|part| part.to_string_lossy().into_owned());
        let parts: Vec<String> = parts.collect();
        described(&remote, &parts, &mut files).await?;
        if let Some(lost) = parts.iter().find(|part| !files.contains_key(*part)) {
            return Err(missing(format!("file {lost}")));
        }
        let beside = file.rsplit_once('/').map_or_else(String::new, |(folder, _)| format!("{folder}/"));
        optional(&remote, &[format!("{beside}{MANIFEST}")], &mut files).await?;
    } else {
        described(&remote, &[SMALL[0].to_owned()], &mut files).await?;
        if files.is_empty() {
            let what = "config.json, so no model in Hugging Face layout; of GGUF, name the file";
            return Err(missing(what.to_owned()));
        }
        let rest: Vec<String> = SMALL[1..].iter().chain(&[INDEX]).map(|name| (*name).to_owned()).collect();
        optional(&remote, &rest, &mut files).await?;
        let shards = match files.get(INDEX) {
            Some(entry) => shards(&remote, entry).await?,
            None => [SINGLE.to_owned()].into(),
        };
        let shards: Vec<String> = shards.into_iter().collect();
        described(&remote, &shards, &mut files).await?;
        if let Some(lost) = shards.iter().find(|shard| !files.contains_key(*shard)) {
            return Err(missing(format!("file {lost}; only safetensors and GGUF are read")));
        }
    }
    let catalogue = Catalogue { asked: source.to_string(), source: remote.source.to_string(), files };
    Ok((remote, catalogue))
}

/// Adds those of `names` to `files` that the place has.
async fn described(
    remote: &Remote,
    names: &[String],
    files: &mut BTreeMap<String, Entry>,
) -> Result<(), DeliveryError> {
    let ask = |name: &String| {
        let name = name.clone();
        async move { Ok::<_, DeliveryError>((remote.describe(&name).await?, name)) }
    };
    let asked = futures::stream::iter(names.iter().map(ask)).buffer_unordered(AT_ONCE);
    let found: Vec<(Option<Entry>, String)> = asked.try_collect().await?;
    files.extend(found.into_iter().filter_map(|(entry, name)| Some((name, entry?))));
    Ok(())
}

/// The same for files that need not be there. A bucket that may not be listed refuses to tell that it has none.
async fn optional(
    remote: &Remote,
    names: &[String],
    files: &mut BTreeMap<String, Entry>,
) -> Result<(), DeliveryError> {
    for name in names {
        match described(remote, std::slice::from_ref(name), files).await {
            Err(DeliveryError::Refused { .. }) => tracing::debug!(name, "refused, so taken as absent"),
            result => result?,
        }
    }
    Ok(())
}

/// The weight files that the index names.
async fn shards(remote: &Remote, entry: &Entry) -> Result<BTreeSet<String>, DeliveryError> {
    let damaged = |why: String| DeliveryError::Damaged {
        source_text: remote.source.to_string(),
        file: INDEX.to_owned(),
        why,
    };
    if entry.size > HEADER_MAX {
        return Err(damaged(format!("it has {} bytes, which no index needs", entry.size)));
    }
    let text: Vec<Vec<u8>> = remote.read(INDEX, entry, 0..entry.size).await?.try_collect().await?;
    let json: serde_json::Value =
        serde_json::from_slice(&text.concat()).map_err(|error| damaged(format!("no JSON: {error}")))?;
    let map = json.get("weight_map").and_then(|map| map.as_object());
    let map = map.ok_or_else(|| damaged("`weight_map` is missing".to_owned()))?;
    let names: BTreeSet<String> = map.values().filter_map(|name| name.as_str()).map(str::to_owned).collect();
    // A shard is a file of the folder, never a path out of it.
    if let Some(bad) = names.iter().find(|name| !name.ends_with(".safetensors") || name.contains(['/', '\\']))
    {
        return Err(damaged(format!("shard name `{bad}` is not a plain file name")));
    }
    Ok(names)
}

fn sha256(path: &Path, progress: &Progress) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(context.finish().as_ref())),
            len => {
                context.update(&buffer[..len]);
                progress.done(len as u64);
            }
        }
    }
}
