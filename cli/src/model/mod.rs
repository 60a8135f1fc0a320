//! Which model a role uses, and with what it computes.

mod cores;
mod kept;
mod plan;

use crate::progress;
use anyhow::{Context, bail};
use conclave_delivery::{
    Delivery, DeliveryOptions, Destination, Environment, MANIFEST, RemoteSource, Source, Supplier,
};
use conclave_kernels::Pool;
use conclave_model::{
    Backend, BackendChoice, DtypeChoice, Manifest, ModelError, ModelFolder, PackFile, Progress, Residency,
    WeightDtype, WeightDtypes, pack_path, write_pack,
};
pub(crate) use cores::Cores;
pub(crate) use kept::{Models, run};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which model, and what it is computed with.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ModelOptions {
    /// Model: a folder in Hugging Face layout, a .gguf file, or where such is fetched from: hf:ORG/NAME, or a revision of
    /// it, hf:ORG/NAME@REVISION; hf:ORG/NAME/FILE.gguf, s3://BUCKET/FOLDER, gs://BUCKET/FOLDER, https://HOST/FOLDER.
    /// Default: the small model that comes with Conclave.
    #[arg(long, env = "CONCLAVE_MODEL")]
    model: Option<Source>,
    #[command(flatten)]
    delivery: DeliveryOptions,
    /// What computes: cpu (our kernels), candle (the reference on the CPU: readable and slow, all weights widened to f32),
    /// cuda or metal (candle on the first GPU, in a binary built with that feature).
    #[arg(long, env = "CONCLAVE_BACKEND", default_value_t)]
    backend: BackendChoice,
    /// What to compute in: auto (as stored), f32 or bf16.
    #[arg(long, env = "CONCLAVE_DTYPE", default_value = "auto")]
    dtype: DtypeChoice,
    /// Form of the experts' weights in memory: auto (as stored), f32, bf16, q8 (int8, 8.5 bits a weight) or q4 (4.5
    /// bits). All nodes and gateways of a cluster must agree.
    #[arg(long, env = "CONCLAVE_EXPERTS_DTYPE", default_value_t)]
    experts_dtype: WeightDtype,
    /// The same for the trunk: attention, dense blocks and the output head. Router and embedding stay as stored.
    #[arg(long, env = "CONCLAVE_TRUNK_DTYPE", default_value_t)]
    trunk_dtype: WeightDtype,
    /// Where weights are held that a file has in the form that is computed with, packed or as stored: file (mapped; all
    /// processes of a machine share it, and the system drops its pages when memory runs short), memory (a copy for this
    /// process in 2 MiB pages where the system gives them, which decodes faster by some percent, made before it serves) or auto
    /// (mapped at first, and moved into such memory while it serves, as long as a quarter of the memory stays free).
    #[arg(long, env = "CONCLAVE_WEIGHTS_IN", default_value_t)]
    weights_in: Residency,
    /// Threads for computing; default: one per core. candle has threads of its own, as many as RAYON_NUM_THREADS.
    #[arg(long, env = "CONCLAVE_THREADS")]
    threads: Option<usize>,
    /// Cores that these threads keep to, each to one in turn, such as 0-3,8; or any: wherever the system puts them. Default: any,
    /// but `up` deals out all that it may use, since the processes of one machine otherwise leave cores idle. On Linux.
    #[arg(long, env = "CONCLAVE_CORES")]
    cores: Option<Cores>,
    /// Manifest of the model, as `conclave manifest` writes it; default: read and hash the whole folder.
    #[arg(long, env = "CONCLAVE_MANIFEST")]
    manifest: Option<PathBuf>,
}

impl ModelOptions {
    /// Every problem at once.
    pub(crate) fn validate(&self) -> Vec<String> {
        let none = self.threads == Some(0);
        let threads = none.then(|| "threads is 0; it can be 1 or more".to_owned());
        let cores = match (&self.cores, self.backend) {
            (Some(cores), BackendChoice::Cpu) => cores.problem(),
            (Some(Cores(cores)), _) if !cores.is_empty() => {
                Some("cores are chosen for threads of the backend cpu only; leave --cores out".to_owned())
            }
            _ => None,
        };
        threads.into_iter().chain(cores).chain(self.delivery.validate()).collect()
    }

    /// The same model computed in `dtype` throughout: what `eval` compares with.
    pub(crate) fn all_in(&self, dtype: DtypeChoice) -> Self {
        let weights = match dtype {
            DtypeChoice::Auto => WeightDtype::AsStored,
            DtypeChoice::F32 => WeightDtype::F32,
            DtypeChoice::Bf16 => WeightDtype::Bf16,
        };
        Self { dtype, experts_dtype: weights, trunk_dtype: weights, ..self.clone() }
    }

    /// The same model in the same forms on another backend.
    pub(crate) fn on(&self, backend: BackendChoice) -> Self {
        Self { backend, ..self.clone() }
    }

    /// Opens the folder; loads nothing. Of a model that is fetched, what describes it and the weights' headers are.
    pub(crate) fn open(&self) -> anyhow::Result<ModelFolder> {
        let progress = progress::shown();
        let folder = match &self.model {
            None => ModelFolder::open(&embedded_model()?, self.dtype)?,
            Some(source) => open_source(source, &self.delivery, None, self.dtype, &progress)?.0,
        };
        let weights = WeightDtypes { experts: self.experts_dtype, trunk: self.trunk_dtype };
        let folder = folder.with_weights(weights).with_backend(self.backend.open()?).with_progress(progress);
        // What candle computes with it makes from what is read; a copy would only be read once.
        let residency = match folder.backend {
            Backend::Cpu => self.weights_in,
            Backend::Candle(_) => Residency::File,
        };
        let folder = folder.with_residency(residency);
        match PackFile::open(&folder, &pack_path(&folder)) {
            Ok(pack) => Ok(folder.with_pack(pack)),
            Err(error @ ModelError::StalePack(_)) => {
                tracing::warn!(%error, "weights are quantised anew");
                Ok(folder)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The manifest of `folder`.
    pub(crate) fn manifest(&self, folder: &ModelFolder) -> anyhow::Result<Manifest> {
        let Some(path) = &self.manifest else {
            return match &folder.pack {
                Some(pack) => Ok(pack.manifest().clone()),
                None if folder.files.are_supplied() => kept_manifest(folder),
                None => Ok(Manifest::compute(folder)?),
            };
        };
        let manifest = read_manifest(path, folder)?;
        if folder.pack.as_ref().is_some_and(|pack| *pack.manifest() != manifest) {
            let (pack, path) = (pack_path(folder), path.display());
            bail!(
                "{}: packed from other weights than {path} names; delete it and run `conclave pack` again",
                pack.display()
            );
        }
        Ok(manifest)
    }

    /// [`Self::manifest`], for who runs the trunk: one that is not the manifest's is refused. One that was just computed needs
    /// no second look.
    pub(crate) fn manifest_of_trunk(&self, folder: &ModelFolder) -> anyhow::Result<Manifest> {
        let manifest = self.manifest(folder)?;
        if self.manifest.is_some() || folder.pack.is_some() || folder.files.are_supplied() {
            manifest.verify_trunk(folder)?;
        }
        Ok(manifest)
    }

    /// The flags by which a child process uses the same model.
    pub(crate) fn flags(&self, folder: &ModelFolder, manifest: &Path) -> Vec<std::ffi::OsString> {
        let mut flags = vec!["--model".into(), folder.path.clone().into()];
        flags.extend(["--backend".into(), folder.backend.name().into()]);
        flags.extend(["--dtype".into(), folder.dtype.name().into()]);
        if let Some(rate) = self.delivery.fetch_rate_max {
            flags.extend(["--fetch-rate-max".into(), rate.0.to_string().into()]);
        }
        let WeightDtypes { experts, trunk } = folder.weights;
        flags.extend(["--experts-dtype".into(), experts.name().into()]);
        flags.extend(["--trunk-dtype".into(), trunk.name().into()]);
        flags.extend(["--weights-in".into(), self.weights_in.name().into()]);
        flags.extend(["--manifest".into(), manifest.into()]);
        flags
    }

    /// Threads that were asked for.
    pub(crate) fn threads(&self) -> Option<usize> {
        self.threads
    }

    /// The cores that several processes with this model share on one machine, in order.
    pub(crate) fn cores_shared(&self) -> Cores {
        match self.backend {
            BackendChoice::Cpu => self.cores.clone().unwrap_or_else(Cores::all),
            // Its threads would inherit the one core of whoever first computes.
            _ => Cores::default(),
        }
    }

    /// The threads that compute.
    pub(crate) fn pool(&self) -> Arc<Pool> {
        self.pool_on(self.cores.clone().unwrap_or_default())
    }

    /// [`Self::pool`], on all of [`Self::cores_shared`].
    pub(crate) fn pool_beside_nodes(&self) -> Arc<Pool> {
        self.pool_on(self.cores_shared())
    }

    /// [`Self::pool`], one of as many alike as there are `nodes`, on its share of [`Self::cores_shared`].
    pub(crate) fn pool_of(&self, nodes: usize, index: usize) -> Arc<Pool> {
        self.pool_on(self.cores_shared().dealt(nodes, index, self.threads_for(&Cores::default())))
    }

    fn pool_on(&self, cores: Cores) -> Arc<Pool> {
        Arc::new(Pool::on(self.threads_for(&cores), cores.0))
    }

    /// How many threads compute on `cores`.
    fn threads_for(&self, cores: &Cores) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(|| if cores.0.is_empty() { all() } else { cores.0.len() })
    }
}

/// How far the thread that moves weights steps back.
const SETTLE_NICE: i32 = 10;

/// Has what is loaded of `folder` moved into memory of its own, if it is to be, while it is computed with.
pub(crate) fn settle_meanwhile(folder: Arc<ModelFolder>) {
    let settle = move || {
        if cfg!(target_os = "linux") {
            // This thread alone steps back for those that compute; whoever may not do it works as before.
            let _ = rustix::process::setpriority_process(None, SETTLE_NICE);
        }
        let started = std::time::Instant::now();
        match folder.settle() {
            Ok(0) => {}
            Ok(bytes) => {
                let millis = started.elapsed().as_millis() as u64;
                tracing::info!(bytes, millis, "moved weights into memory of their own");
            }
            Err(error) => tracing::warn!(%error, "weights stay in the file"),
        }
    };
    if let Err(error) = std::thread::Builder::new().name("settle".into()).spawn(settle) {
        tracing::warn!(%error, "weights stay in the file: no thread to move them");
    }
}

/// Settings of `conclave manifest`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ManifestOptions {
    #[command(flatten)]
    model: ModelOptions,
    /// The file to write.
    #[arg(long, required_unless_present = "check")]
    out: Option<PathBuf>,
    /// Write nothing: read the whole model and compare it with --manifest.
    #[arg(long, conflicts_with = "out", requires = "manifest")]
    check: bool,
}

/// Settings of `conclave pack`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PackOptions {
    #[command(flatten)]
    model: ModelOptions,
}

/// Quantises once what every start would quantise again.
pub(crate) fn pack(options: &PackOptions) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    let folder = options.model.open()?;
    let path = pack_path(&folder);
    if folder.pack.is_some() {
        tracing::info!(file = %path.display(), "already packed");
        return Ok(());
    }
    let manifest = options.model.manifest(&folder)?;
    let bytes = write_pack(&folder, &manifest, &path)?;
    tracing::info!(
        file = %path.display(),
        bytes,
        seconds = started.elapsed().as_secs_f32(),
        "packed; starts with these forms map it"
    );
    Ok(())
}

pub(crate) fn manifest(options: &ManifestOptions) -> anyhow::Result<()> {
    let folder = options.model.open()?;
    let manifest = options.model.manifest(&folder)?;
    let (tensors, digest) = (manifest.tensors.len(), manifest.model_digest(&folder).short());
    match &options.out {
        Some(file) => {
            manifest.write(file)?;
            tracing::info!(tensors, digest, file = %file.display(), "manifest written");
        }
        None => {
            manifest.tensors.keys().try_for_each(|tensor| manifest.verify(&folder, tensor))?;
            tracing::info!(tensors, digest, "the model is what the manifest says");
        }
    }
    Ok(())
}

/// Opens the model at `source`, and what brings it if it is, or was, fetched.
///
/// - `into`: the folder for what is fetched; `None`: one of the cache.
fn open_source(
    source: &Source,
    options: &DeliveryOptions,
    into: Option<&Path>,
    dtype: DtypeChoice,
    progress: &Progress,
) -> anyhow::Result<(ModelFolder, Option<Arc<Delivery>>)> {
    let environment = crate::environment();
    let delivery = match source {
        Source::Local(path) => Delivery::reopen(path, options, environment, progress.clone())?,
        Source::Remote(remote) => Some(fetched(remote, options, environment, into, progress)?),
    };
    let path = match (&delivery, source) {
        // Of a folder of the cache, what it was asked for: it may be a file in it.
        (Some(delivery), _) => delivery.path(),
        (None, Source::Local(path)) => path.clone(),
        (None, Source::Remote(_)) => unreachable!("a remote source has a delivery"),
    };
    let folder = ModelFolder::open(&path, dtype)?;
    Ok(match delivery {
        Some(delivery) => (folder.with_supply(Arc::new(Supplier(delivery.clone()))), Some(delivery)),
        None => (folder, None),
    })
}

/// The model `source`, in `into` or in the cache.
fn fetched(
    source: &RemoteSource,
    options: &DeliveryOptions,
    environment: Environment,
    into: Option<&Path>,
    progress: &Progress,
) -> anyhow::Result<Arc<Delivery>> {
    let cache;
    let into = match into {
        Some(folder) => Destination::Folder(folder),
        None => {
            cache = options.cache(&environment)?;
            Destination::Cache(&cache)
        }
    };
    let delivery = Delivery::open(source, into, options, environment, progress.clone())?;
    tracing::info!(source = delivery.source(), path = %delivery.path().display(), "model");
    Ok(delivery)
}

/// The manifest at `path`, if it is of the computation that `folder` describes.
fn read_manifest(path: &Path, folder: &ModelFolder) -> anyhow::Result<Manifest> {
    let manifest = Manifest::read(path)?;
    manifest.verify_config(folder)?;
    Ok(manifest)
}

/// Where the manifest of the fetched `model`, a folder or a file, is, if one came with it or was made before.
fn manifest_beside(model: &Path) -> PathBuf {
    let beside = if model.is_dir() { Some(model) } else { model.parent() };
    beside.unwrap_or(Path::new(".")).join(MANIFEST)
}

/// The manifest of a fetched model; if there is none, all of the model is fetched, once, to make it.
fn kept_manifest(folder: &ModelFolder) -> anyhow::Result<Manifest> {
    let path = manifest_beside(&folder.path);
    if path.exists() {
        return read_manifest(&path, folder);
    }
    let manifest = Manifest::compute(folder)?;
    manifest.write(&path)?;
    Ok(manifest)
}

/// The model that comes with Conclave: beside the binary when installed, else in the source tree.
fn embedded_model() -> anyhow::Result<PathBuf> {
    const NAME: &str = "models/tiny-tales";
    let installed = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(NAME)));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(NAME);
    let places = [installed, Some(PathBuf::from(NAME)), Some(source)];
    let found = places.into_iter().flatten().find(|path| path.join("config.json").exists());
    found.context("the model that comes with Conclave was not found; pass --model FOLDER")
}
