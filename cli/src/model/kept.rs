//! `conclave model`: models of the cache, fetched whole, waited for, listed, verified, removed, and planned for before that.

use super::plan::{self, PlanOptions};
use super::{kept_manifest, manifest_beside, open_source, read_manifest};
use crate::progress;
use crate::table::Table;
use anyhow::bail;
use conclave_delivery::{DeliveryOptions, Source, kept, kept_at, remove};
use conclave_model::{DtypeChoice, Manifest, ModelError, ModelFolder, Unit};
use conclave_types::Bytes;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// The subcommands of `conclave model`.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Models {
    /// Fetch a whole model, verify it and keep it. Roles that are given the same source fetch by themselves what they need;
    /// this is for doing it beforehand.
    Add(AddOptions),
    /// Show the models that were fetched, and how much of each is here.
    List(ListOptions),
    /// Compare what is here of a model with its manifest.
    Verify(VerifyOptions),
    /// Wait until `conclave model add --into FOLDER`, in another process, has all of the model there, with a manifest beside it.
    Wait(WaitOptions),
    /// Remove every version of a fetched model.
    Remove(RemoveOptions),
    /// Tell what a model needs: bytes to fetch, memory of nodes and gateways. Fetches its description and headers only.
    Plan(PlanOptions),
}

/// Settings of `conclave model add`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AddOptions {
    /// The model: hf:ORG/NAME, hf:ORG/NAME@REVISION, hf:ORG/NAME/FILE.gguf, s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or https://HOST/FOLDER.
    source: Source,
    /// Folder to put it in; default: one of the cache.
    #[arg(long)]
    into: Option<PathBuf>,
    /// Manifest to compare with, as `conclave manifest` writes it; default: the one that is beside the weights there.
    #[arg(long, env = "CONCLAVE_MANIFEST")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    delivery: DeliveryOptions,
}

/// Settings of `conclave model list`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ListOptions {
    #[command(flatten)]
    delivery: DeliveryOptions,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Settings of `conclave model verify`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct VerifyOptions {
    /// The model, as it was fetched, or its folder.
    source: Source,
    /// Manifest to compare with, as `conclave manifest` writes it; default: the one that came with the model.
    #[arg(long, env = "CONCLAVE_MANIFEST")]
    manifest: Option<PathBuf>,
    /// Fetch damaged tensors again.
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    delivery: DeliveryOptions,
}

/// Settings of `conclave model wait`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WaitOptions {
    /// The folder, or the .gguf file in it.
    folder: PathBuf,
    /// Manifest that the roles are given; then none has to be beside the model.
    #[arg(long, env = "CONCLAVE_MANIFEST")]
    manifest: Option<PathBuf>,
}

/// Settings of `conclave model remove`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RemoveOptions {
    /// The model, as it was asked for or as `list` shows it.
    source: Source,
    #[command(flatten)]
    delivery: DeliveryOptions,
}

/// Carries out `command`.
pub(crate) fn run(command: &Models) -> anyhow::Result<()> {
    match command {
        Models::Add(options) => add(options),
        Models::List(options) => list(options),
        Models::Verify(options) => verify(options),
        Models::Wait(options) => wait(options),
        Models::Remove(options) => remove_model(options),
        Models::Plan(options) => plan::run(options),
    }
}

#[expect(clippy::print_stdout, reason = "what was asked for")]
fn add(options: &AddOptions) -> anyhow::Result<()> {
    let progress = progress::shown();
    let into = options.into.as_deref();
    let opened = open_source(&options.source, &options.delivery, into, DtypeChoice::Auto, &progress)?;
    let (folder, Some(delivery)) = opened else {
        bail!("{}: it is on this machine already; give it to --model", options.source);
    };
    let folder = folder.with_progress(progress);
    let given =
        options.manifest.clone().or_else(|| Some(manifest_beside(&folder.path)).filter(|path| path.exists()));
    let manifest = match given {
        Some(path) => {
            let manifest = read_manifest(&path, &folder)?;
            delivery.bring_all()?;
            let damaged = damaged(&folder, &manifest, |_| true)?;
            if !damaged.is_empty() {
                bail!("{}; `conclave model verify --repair` fetches them again", names(&damaged));
            }
            manifest
        }
        // Made of what has just come and was compared with what its place says of it.
        None => kept_manifest(&folder)?,
    };
    let (held, _) = delivery.held();
    println!("{}", delivery.source());
    println!("  {} in {}", Bytes(held), delivery.path().display());
    println!("  digest {}", manifest.model_digest(&folder));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what was asked for")]
fn list(options: &ListOptions) -> anyhow::Result<()> {
    let cache = options.delivery.cache(&crate::environment())?;
    let kept = kept(&cache)?;
    if options.json {
        println!("{:#}", json!(kept));
        return Ok(());
    }
    if kept.is_empty() {
        println!("no models in {}", cache.display());
        return Ok(());
    }
    let mut table = Table::new(["model", ">here", ">of", "folder"]);
    for model in kept {
        let folder = model.path.display().to_string();
        table.row([model.source, Bytes(model.held).to_string(), Bytes(model.bytes).to_string(), folder]);
    }
    print!("{table}");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what was asked for")]
fn verify(options: &VerifyOptions) -> anyhow::Result<()> {
    let progress = progress::shown();
    let (folder, delivery) =
        open_source(&options.source, &options.delivery, None, DtypeChoice::Auto, &progress)?;
    let folder = folder.with_progress(progress);
    let manifest = match (&options.manifest, &delivery) {
        (Some(path), _) => read_manifest(path, &folder)?,
        (None, Some(_)) => kept_manifest(&folder)?,
        (None, None) => bail!("{}: it was not fetched by Conclave; pass --manifest FILE", options.source),
    };
    let here = |tensor: &str| match (&delivery, folder.files.range(tensor)) {
        (Some(delivery), Ok(range)) => delivery.has(&range),
        // What no file has is found out by reading it.
        _ => true,
    };
    let wrong = damaged(&folder, &manifest, here)?;
    let (count, absent) = (manifest.tensors.len(), manifest.tensors.keys().filter(|t| !here(t)).count());
    if wrong.is_empty() {
        println!("{} of {count} tensors are here, and what the manifest says", count - absent);
        return Ok(());
    }
    match (&delivery, options.repair) {
        (Some(delivery), true) => {
            let ranges: Vec<_> = wrong.iter().filter_map(|tensor| folder.files.range(tensor).ok()).collect();
            delivery.forget_ranges(&ranges)?;
            folder.files.bring(&wrong)?;
            wrong.iter().try_for_each(|tensor| manifest.verify(&folder, tensor))?;
            println!("{}: fetched again, now what the manifest says", names(&wrong));
            Ok(())
        }
        (Some(_), false) => bail!("{}; --repair fetches them again", names(&wrong)),
        (None, _) => bail!("{}; copy the files here again", names(&wrong)),
    }
}

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks between two lines that say how much is here.
const LOOKS_A_LINE: u64 = 30;

fn wait(options: &WaitOptions) -> anyhow::Result<()> {
    for look in 0.. {
        let kept = kept_at(&options.folder)?;
        let whole = kept.as_ref().is_some_and(|kept| kept.held == kept.bytes);
        if whole && (options.manifest.is_some() || manifest_beside(&options.folder).exists()) {
            break;
        }
        if look % LOOKS_A_LINE == 0 {
            let (held, bytes) = kept.map_or((0, 0), |kept| (kept.held, kept.bytes));
            let (held, bytes) = (Bytes(held).to_string(), Bytes(bytes).to_string());
            tracing::info!(folder = %options.folder.display(), held, bytes, "waiting for the model");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what was asked for")]
fn remove_model(options: &RemoveOptions) -> anyhow::Result<()> {
    let Source::Remote(source) = &options.source else {
        bail!("{}: it was not fetched; remove the folder itself", options.source);
    };
    let freed = remove(&options.delivery.cache(&crate::environment())?, source)?;
    println!("removed {source}: {}", Bytes(freed));
    Ok(())
}

/// Which tensors, of those that are `here`, are not what the manifest says.
fn damaged(
    folder: &ModelFolder,
    manifest: &Manifest,
    here: impl Fn(&str) -> bool,
) -> Result<Vec<String>, ModelError> {
    let tensors: Vec<&String> = manifest.tensors.keys().filter(|tensor| here(tensor)).collect();
    let bytes = tensors.iter().map(|tensor| folder.files.len(tensor).unwrap_or(0)).sum();
    let _piece = folder.progress.begin("comparing with the manifest", bytes, Unit::Bytes);
    let mut damaged = Vec::new();
    for tensor in tensors {
        match manifest.verify(folder, tensor) {
            Ok(()) => folder.progress.done(folder.files.len(tensor)?),
            Err(ModelError::WrongDigest { .. }) => damaged.push(tensor.clone()),
            Err(error) => return Err(error),
        }
    }
    Ok(damaged)
}

/// Such as `3 tensors are damaged: a, b, c`; of many, the first.
fn names(damaged: &[String]) -> String {
    let shown = damaged.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = if damaged.len() > 5 { ", …" } else { "" };
    match damaged.len() {
        1 => format!("1 tensor is damaged: {shown}"),
        count => format!("{count} tensors are damaged: {shown}{more}"),
    }
}
