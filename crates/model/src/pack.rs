//! Pack files: quantised matrices as the kernels read them, so that a start maps instead of computing.
//!
//! Layout: eight bytes of magic, offset and length of the header as little-endian u64, the matrices at multiples of 64
//! bytes, and last the header, JSON. Keeps true: a file is written whole or not at all; it is used only for the very
//! source files and forms that it was made from; every matrix has a digest, which who loads it checks.

use crate::formats::MappedFile;
use crate::{Manifest, ModelError, ModelFolder, Residency, Unit, WeightDtype};
use conclave_kernels::Matrix;
use conclave_kernels::quant::{Line, PackedMatrix, QuantKind};
use conclave_types::Digest;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Changed with every change of the layout of matrices or header.
const MAGIC: &[u8; 8] = b"CNCLPK01";
/// Magic, and where the header is.
const PREAMBLE: u64 = 64;
/// Matrices that are in memory at once while a pack file is written.
const TENSORS_AT_ONCE: usize = 32;

#[derive(Serialize, Deserialize)]
struct Header {
    /// Of the source tensors.
    manifest: Manifest,
    /// The numeric dtype and the forms of the weights.
    forms: [String; 3],
    /// The source files: name, bytes, time of the last change in nanoseconds.
    sources: Vec<(String, u64, u64)>,
    tensors: BTreeMap<String, Packed>,
}

#[derive(Serialize, Deserialize)]
struct Packed {
    kind: String,
    shape: [usize; 2],
    offset: u64,
    digest: Digest,
}

/// An opened pack file.
pub struct PackFile {
    header: Header,
    file: MappedFile,
}

fn forms(folder: &ModelFolder) -> [String; 3] {
    [folder.dtype.name(), folder.weights.experts.name(), folder.weights.trunk.name()].map(str::to_owned)
}

fn sources(folder: &ModelFolder) -> Result<Vec<(String, u64, u64)>, ModelError> {
    let describe = |path: &Path| {
        let failed = |error| ModelError::File { file: path.to_owned(), error };
        let about = path.metadata().map_err(failed)?;
        let changed = about.modified().map_err(failed)?;
        let since = changed.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, about.len(), since.as_nanos() as u64))
    };
    folder.files.paths().into_iter().map(describe).collect()
}

/// Where the pack file of `folder` in its forms is looked for.
pub fn pack_path(folder: &ModelFolder) -> PathBuf {
    let [dtype, experts, trunk] = forms(folder);
    let name = format!("{}.{dtype}-experts-{experts}-trunk-{trunk}.pack", folder.name());
    let beside = if folder.path.is_dir() { Some(folder.path.as_path()) } else { folder.path.parent() };
    beside.unwrap_or(Path::new(".")).join("conclave-pack").join(name)
}

/// Quantises what the forms of `folder` ask for and writes it to `path`; the bytes of the file.
///
/// Errors: nothing is quantised in these forms; a tensor is damaged; the disk.
pub fn write_pack(folder: &ModelFolder, manifest: &Manifest, path: &Path) -> Result<u64, ModelError> {
    let wanted = wanted(folder)?;
    if wanted.is_empty() {
        return Err(ModelError::NothingToPack(folder.path.clone()));
    }
    let failed = |error| ModelError::File { file: path.to_owned(), error };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let partial = path.with_extension("partial");
    let written = write_all(folder, manifest, &wanted, &partial)
        .and_then(|bytes| std::fs::rename(&partial, path).map(|()| bytes).map_err(failed));
    if written.is_err() {
        // What is left of it may have filled the disk; that it cannot be removed is the lesser error.
        std::fs::remove_file(&partial).ok();
    }
    written
}

/// A tensor, its shape `[rows, cols]` and its form.
type Wanted = (String, [usize; 2], WeightDtype);

/// The matrices of `folder` that are quantised in its forms.
fn wanted(folder: &ModelFolder) -> Result<Vec<Wanted>, ModelError> {
    let expert = |key| folder.spec.expert_tensors(key).into_iter().zip(folder.spec.expert_shapes());
    let experts = folder.spec.expert_keys().flat_map(expert).map(|(t, s)| (t, s, folder.weights.experts));
    let trunk = folder.spec.trunk_matrices().into_iter().map(|(t, s)| (t, s, folder.weights.trunk));
    let mut wanted = Vec::new();
    for (tensor, shape, dtype) in trunk.chain(experts) {
        if folder.is_quantised(&tensor, dtype)? {
            wanted.push((tensor, shape, dtype));
        }
    }
    Ok(wanted)
}

/// Writes a whole pack file to `path` and through to the disk; returns its bytes.
fn write_all(
    folder: &ModelFolder,
    manifest: &Manifest,
    wanted: &[Wanted],
    path: &Path,
) -> Result<u64, ModelError> {
    folder.files.bring(wanted.iter().map(|(tensor, ..)| tensor))?;
    let bytes = folder.stored_bytes(wanted.iter().map(|(tensor, ..)| tensor));
    let _piece = folder.progress.begin("quantising and packing", bytes, Unit::Bytes);
    let failed = |error| ModelError::File { file: path.to_owned(), error };
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed)?);
    out.write_all(&[0; PREAMBLE as usize]).map_err(failed)?;
    let mut offset = PREAMBLE;
    let mut tensors = BTreeMap::new();
    for part in wanted.chunks(TENSORS_AT_ONCE) {
        let load = |(tensor, shape, dtype): &Wanted| {
            manifest.verify(folder, tensor)?;
            let matrix = folder.matrix(tensor, *shape, *dtype)?;
            let digest = Digest::of(packed(&matrix).data());
            Ok((matrix, digest))
        };
        let matrices: Vec<(Matrix, Digest)> = part.par_iter().map(load).collect::<Result<_, ModelError>>()?;
        for ((tensor, shape, _), (matrix, digest)) in part.iter().zip(&matrices) {
            let packed = packed(matrix);
            out.write_all(packed.data()).map_err(failed)?;
            let kind = packed.kind().name().to_owned();
            tensors.insert(tensor.clone(), Packed { kind, shape: *shape, offset, digest: *digest });
            offset += packed.data().len() as u64;
        }
    }
    let header =
        Header { manifest: manifest.clone(), forms: forms(folder), sources: sources(folder)?, tensors };
    let text = serde_json::to_vec(&header).expect("a header has a JSON form");
    out.write_all(&text).map_err(failed)?;
    out.seek(SeekFrom::Start(0)).map_err(failed)?;
    let places = [offset.to_le_bytes(), (text.len() as u64).to_le_bytes()].concat();
    out.write_all(&[MAGIC, places.as_slice()].concat()).map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok(offset + text.len() as u64)
}

/// The blocks of a matrix of which `ModelFolder::is_quantised` said that it has them.
fn packed(matrix: &Matrix) -> &PackedMatrix {
    matrix.packed().expect("a quantised form is made of packed blocks")
}

impl PackFile {
    /// Opens the pack file at `path` for `folder`: `None` if there is none, an error if it is damaged or was made from
    /// other files or in other forms.
    pub fn open(folder: &ModelFolder, path: &Path) -> Result<Option<Self>, ModelError> {
        if !path.exists() {
            return Ok(None);
        }
        let file = MappedFile::open(path.to_owned())?;
        let map = &file.bytes;
        let corrupt = |why: &str| ModelError::Corrupt {
            file: path.to_owned(),
            why: format!("{why}; delete it and run `conclave pack` again"),
        };
        let number = |at: usize| -> Option<usize> {
            usize::try_from(u64::from_le_bytes(map.get(at..at + 8)?.try_into().ok()?)).ok()
        };
        if map.get(..8) != Some(MAGIC.as_slice()) {
            return Err(corrupt("it is no pack file of this version"));
        }
        let range = number(8).zip(number(16)).and_then(|(at, len)| Some(at..at.checked_add(len)?));
        let text = range.and_then(|range| map.get(range)).ok_or_else(|| corrupt("it is cut short"))?;
        let header: Header = serde_json::from_slice(text)
            .map_err(|error| ModelError::Json { file: path.to_owned(), error })?;
        if header.forms != forms(folder) || header.sources != sources(folder)? {
            return Err(ModelError::StalePack(path.to_owned()));
        }
        header.manifest.verify_config(folder)?;
        let pack = Self { header, file };
        for (name, packed) in &pack.header.tensors {
            let fits = pack.kind(packed).is_some_and(|kind| pack.range(kind, packed).is_some());
            if !fits {
                return Err(corrupt(&format!("tensor `{name}` lies outside of it")));
            }
        }
        Ok(Some(pack))
    }

    /// The manifest of the source tensors.
    pub fn manifest(&self) -> &Manifest {
        &self.header.manifest
    }

    /// Whether `tensor` is packed.
    pub(crate) fn contains(&self, tensor: &str) -> bool {
        self.header.tensors.contains_key(tensor)
    }

    fn kind(&self, packed: &Packed) -> Option<QuantKind> {
        [QuantKind::Q8, QuantKind::Q4, QuantKind::Q4Min].into_iter().find(|kind| kind.name() == packed.kind)
    }

    fn range(&self, kind: QuantKind, packed: &Packed) -> Option<Range<usize>> {
        let [rows, cols] = packed.shape;
        let at = usize::try_from(packed.offset).ok().filter(|at| at % 64 == 0)?;
        let end = at.checked_add(PackedMatrix::lines(kind, rows, cols).checked_mul(64)?)?;
        (end <= self.file.bytes.len()).then_some(at..end)
    }

    /// See [`ModelFolder::settle`].
    pub(crate) fn settle(&self, may: impl FnMut(usize) -> bool) -> Result<usize, ModelError> {
        self.file.settle(true, may)
    }

    /// Bytes of matrices that are held in memory of their own, not in the file.
    pub(crate) fn copied(&self) -> usize {
        self.file.copied()
    }

    /// The matrix `tensor`, held where `residency` says, checked against its digest; `None` if it is not packed.
    pub(crate) fn matrix(
        &self,
        tensor: &str,
        shape: [usize; 2],
        residency: Residency,
    ) -> Result<Option<Matrix>, ModelError> {
        let Some(packed) = self.header.tensors.get(tensor) else { return Ok(None) };
        if packed.shape != shape {
            let (file, tensor) = (self.file.path.clone(), tensor.to_owned());
            let (found, expected) = (packed.shape.to_vec(), shape.to_vec());
            return Err(ModelError::Shape { file, tensor, found, expected });
        }
        let kind = self.kind(packed).expect("checked when opened");
        let range = self.range(kind, packed).expect("checked when opened");
        let data = self.file.storage::<Line>(range, residency)?;
        let data = data.expect("offsets are multiples of 64, and maps and copies begin at pages");
        // What is computed with is what is hashed, not what it was copied from.
        let found = Digest::of(bytemuck::cast_slice(data.elements()));
        if found != packed.digest {
            let (file, tensor, expected) = (self.file.path.clone(), tensor.to_owned(), packed.digest);
            return Err(ModelError::WrongDigest { file, tensor, expected, found });
        }
        Ok(Some(Matrix::quantized(PackedMatrix::new(kind, shape[0], shape[1], data))))
    }
}
