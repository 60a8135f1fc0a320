//! GGUF, single or split: a model, its description and its tokenizer in one kind of file.
//!
//! Keeps true: a file's content can be anything: it becomes an error with the file's name, never a panic. Tensors have
//! Hugging Face names and shapes; of experts that are stored as one tensor, each is a tensor of its own.

mod config;
mod header;
mod names;

use super::MappedFile;
use super::WeightFiles;
use super::files::{RowOrder, Stored};
use crate::{ModelError, ModelSpec, families};
use header::{Header, TensorInfo};
use names::Place;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// An opened model.
pub(crate) struct GgufModel {
    pub(crate) name: String,
    pub(crate) spec: ModelSpec,
    /// What generation_config.json would say.
    pub(crate) generation: Map<String, Value>,
    pub(crate) files: WeightFiles,
}

/// The metadata of a model.
pub struct Metadata {
    /// The file they are in; of a model in parts the first.
    pub file: PathBuf,
    /// Keys as GGUF has them; a number that is not finite is null.
    pub values: Map<String, Value>,
}

/// The metadata of the model at `path`; `None` if there is no GGUF model but, perhaps, a Hugging Face folder.
pub fn metadata(path: &Path) -> Result<Option<Metadata>, ModelError> {
    let Some(set) = locate(path)? else { return Ok(None) };
    let file = MappedFile::open(set.file(0))?;
    let values = header::parse(&file.path, &file.bytes, file.bytes.len())?.metadata;
    Ok(Some(Metadata { file: file.path, values }))
}

/// Whether `bytes`, the first of a GGUF file of `size` bytes, have its whole header; an error says what is wrong or missing.
pub fn check_header(file: &Path, bytes: &[u8], size: u64) -> Result<(), ModelError> {
    header::parse(file, bytes, usize::try_from(size).unwrap_or(usize::MAX)).map(drop)
}

/// The files of the model that `file` is a part of, in order; of a model in one file that one.
pub fn parts(file: &Path) -> Vec<PathBuf> {
    let set = FileSet::of(file);
    (0..set.parts).map(|part| set.file(part)).collect()
}

/// Opens the model at `path`, a file or a folder with one and no config.json; `None` if it is neither.
pub(crate) fn open(path: &Path) -> Result<Option<GgufModel>, ModelError> {
    let Some(set) = locate(path)? else { return Ok(None) };
    let mut parts = Vec::new();
    for part in 0..set.parts {
        let file = MappedFile::open(set.file(part))?;
        let header = header::parse(&file.path, &file.bytes, file.bytes.len())?;
        let number = |key: &str| header.metadata.get(key).and_then(Value::as_u64);
        let found = (number("split.no").unwrap_or(0), number("split.count").unwrap_or(0).max(1));
        if found != (part as u64, set.parts as u64) {
            let why = format!(
                "it says that it is part {} of {}, its name says {} of {}; name the parts as they were",
                found.0 + 1,
                found.1,
                part + 1,
                set.parts
            );
            return Err(ModelError::Gguf { file: file.path, why });
        }
        parts.push((file, header));
    }
    // The first part has the metadata; what the model has as a whole is told by the tensors of all parts.
    let file = parts[0].0.path.clone();
    let (metadata, tensors) =
        parts.iter_mut().fold((Map::new(), Vec::new()), |(mut first, mut all), (_, header)| {
            if first.is_empty() {
                first = std::mem::take(&mut header.metadata);
            }
            all.extend(header.tensors.iter().cloned());
            (first, all)
        });
    if let Some(expected) = metadata.get("split.tensors.count").and_then(Value::as_u64)
        && expected != tensors.len() as u64
    {
        let why = format!("the parts have {} tensors of {expected}", tensors.len());
        return Err(ModelError::Corrupt { file, why });
    }
    let described = config::describe(&file, &Header { metadata, tensors })?;
    let spec = families::describe(&described.config)
        .map_err(|error| ModelError::GgufConfig { file: file.clone(), error: Box::new(error) })?;
    let mut files = WeightFiles::new(path);
    for (file, header) in parts {
        let mut tensors = Vec::new();
        for tensor in header.tensors {
            place(&file, &spec, described.interleaved, tensor, &mut tensors)?;
        }
        files.add(file, tensors)?;
    }
    Ok(Some(GgufModel { name: set.name(), spec, generation: described.generation, files }))
}

/// Adds `tensor`, or each expert's part of it, to `tensors` under Hugging Face names.
fn place(
    file: &MappedFile,
    spec: &ModelSpec,
    interleaved: bool,
    tensor: TensorInfo,
    tensors: &mut Vec<(String, Stored)>,
) -> Result<(), ModelError> {
    let TensorInfo { name, dtype, shape, range } = tensor;
    let dtype = Ok(dtype);
    match names::place(spec, interleaved, &name) {
        Some(Place::Whole(_, RowOrder::Interleaved { head_dim }))
            if shape.len() != 2 || !shape[0].is_multiple_of(head_dim) =>
        {
            let why = format!("tensor `{name}` is {shape:?}, which are no rows for heads of {head_dim}");
            return Err(ModelError::Gguf { file: file.path.clone(), why });
        }
        Some(Place::Whole(name, rows)) => tensors.push((name, Stored { file: 0, dtype, shape, range, rows })),
        Some(Place::Experts(part)) => {
            if shape.len() != 3 || shape[0] != spec.experts {
                let why =
                    format!("tensor `{name}` is {shape:?}, which are not {} experts' matrices", spec.experts);
                return Err(ModelError::Gguf { file: file.path.clone(), why });
            }
            // Every row is whole blocks, so the experts share the bytes evenly.
            let len = range.len() / spec.experts;
            for expert in 0..spec.experts {
                let range = range.start + expert * len..range.start + (expert + 1) * len;
                let (dtype, shape) = (dtype.clone(), shape[1..].to_vec());
                let stored = Stored { file: 0, dtype, shape, range, rows: RowOrder::Plain };
                tensors.push((part.name(spec, expert), stored));
            }
        }
        None => {
            let why =
                format!("tensor `{name}` is not known for {} and may change the model's maths", spec.family);
            return Err(ModelError::Gguf { file: file.path.clone(), why });
        }
    }
    Ok(())
}

/// The files of one model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileSet {
    folder: PathBuf,
    /// The file name without `-00001-of-00003` and `.gguf`.
    stem: String,
    parts: usize,
    /// Whether the names have a part number.
    numbered: bool,
}

impl FileSet {
    /// The set that `file` belongs to.
    fn of(file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let stem = name.strip_suffix(".gguf").unwrap_or(&name);
        let split = || {
            let (rest, parts) = stem.rsplit_once("-of-")?;
            let (rest, part) = rest.rsplit_once('-')?;
            let number = |text: &str| (text.len() == 5).then(|| text.parse::<usize>().ok()).flatten();
            let (part, parts) = (number(part)?, number(parts)?);
            (1..=parts).contains(&part).then(|| (rest.to_owned(), parts))
        };
        match split() {
            Some((stem, parts)) => Self { folder, stem, parts, numbered: true },
            None => Self { folder, stem: stem.to_owned(), parts: 1, numbered: false },
        }
    }

    fn file(&self, part: usize) -> PathBuf {
        self.folder.join(match self.numbered {
            true => format!("{}-{:05}-of-{:05}.gguf", self.stem, part + 1, self.parts),
            false => format!("{}.gguf", self.stem),
        })
    }

    fn name(&self) -> String {
        self.stem.clone()
    }
}

/// The GGUF files of the model at `path`: a file of the set, or a folder with one set and no config.json.
fn locate(path: &Path) -> Result<Option<FileSet>, ModelError> {
    if path.is_file() {
        if path.extension().is_none_or(|extension| extension != "gguf") {
            let why =
                "the name of a GGUF file ends in `.gguf`; pass such a file or a model folder".to_owned();
            return Err(ModelError::Gguf { file: path.to_owned(), why });
        }
        return Ok(Some(FileSet::of(path)));
    }
    if !path.is_dir() || path.join("config.json").exists() {
        return Ok(None);
    }
    let failed = |error| ModelError::File { file: path.to_owned(), error };
    let mut sets = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|extension| extension == "gguf") {
            sets.push(FileSet::of(&file));
        }
    }
    sets.sort();
    sets.dedup();
    if sets.len() > 1 {
        let names: Vec<String> = sets.iter().map(FileSet::name).collect();
        let why =
            format!("the folder has more than one GGUF model: {}; pass the file of one", names.join(", "));
        return Err(ModelError::Gguf { file: path.to_owned(), why });
    }
    Ok(sets.pop())
}
