//! Hugging Face safetensors, single or sharded.
//!
//! Keeps true: files are mapped, not read; headers are checked in full (ranges, overlaps, file size) before
//! any tensor is handed out; only the tensors asked for are touched.

use crate::{ModelError, NumericDtype};
use conclave_kernels::{Matrix, Storage};
use conclave_types::Digest;
use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The dtype of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredDtype {
    /// 4 bytes.
    F32,
    /// 2 bytes, IEEE half.
    F16,
    /// 2 bytes, brain float.
    Bf16,
}

impl StoredDtype {
    /// The name in a safetensors header.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }
}

struct Stored {
    shard: usize,
    dtype: Result<StoredDtype, String>,
    shape: Vec<usize>,
    range: Range<usize>,
}

/// The weights of one folder.
pub struct WeightFiles {
    folder: PathBuf,
    shards: Vec<(PathBuf, Arc<Mmap>)>,
    tensors: BTreeMap<String, Stored>,
}

impl WeightFiles {
    /// Maps `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let mut files =
            WeightFiles { folder: folder.to_owned(), shards: Vec::new(), tensors: BTreeMap::new() };
        let index = folder.join("model.safetensors.index.json");
        if index.exists() {
            let json = crate::folder::read_json(&index)?;
            let map = json.get("weight_map").and_then(|map| map.as_object()).ok_or_else(|| {
                ModelError::Corrupt { file: index.clone(), why: "`weight_map` is missing".to_owned() }
            })?;
            let mut names: Vec<&str> = map.values().filter_map(|value| value.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                // A shard is a file of the folder, never a path out of it.
                if Path::new(name).file_name() != Some(std::ffi::OsStr::new(name)) {
                    let why = format!("shard name `{name}` is not a plain file name");
                    return Err(ModelError::Corrupt { file: index, why });
                }
                files.map(folder.join(name))?;
            }
            if let Some(tensor) = map.keys().find(|tensor| !files.tensors.contains_key(*tensor)) {
                return Err(ModelError::NoTensor { tensor: tensor.clone(), folder: folder.to_owned() });
            }
        } else {
            files.map(folder.join("model.safetensors"))?;
        }
        Ok(files)
    }

    fn map(&mut self, path: PathBuf) -> Result<(), ModelError> {
        let file = File::open(&path).map_err(|error| ModelError::File { file: path.clone(), error })?;
        // SAFETY-relevant only to content: weights are read-only files; a file changed under the map can
        // give wrong numbers, which the digest check at load would have refused.
        #[allow(unsafe_code)]
        let map =
            unsafe { Mmap::map(&file) }.map_err(|error| ModelError::File { file: path.clone(), error })?;
        let corrupt = |why: String| ModelError::Corrupt { file: path.clone(), why };
        let view = SafeTensors::deserialize(&map).map_err(|error| corrupt(error.to_string()))?;
        let shard = self.shards.len();
        for (name, tensor) in view.tensors() {
            let start = tensor.data().as_ptr() as usize - map.as_ptr() as usize;
            let dtype = match tensor.dtype() {
                Dtype::F32 => Ok(StoredDtype::F32),
                Dtype::F16 => Ok(StoredDtype::F16),
                Dtype::BF16 => Ok(StoredDtype::Bf16),
                other => Err(format!("{other:?}")),
            };
            let range = start..start + tensor.data().len();
            let stored = Stored { shard, dtype, shape: tensor.shape().to_vec(), range };
            if self.tensors.insert(name.clone(), stored).is_some() {
                return Err(corrupt(format!("tensor `{name}` is also in another shard")));
            }
        }
        self.shards.push((path, Arc::new(map)));
        Ok(())
    }

    /// The files, in the order in which they were mapped.
    pub fn paths(&self) -> Vec<&Path> {
        self.shards.iter().map(|(path, _)| path.as_path()).collect()
    }

    /// Every tensor's name, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is such a tensor.
    pub fn contains(&self, tensor: &str) -> bool {
        self.tensors.contains_key(tensor)
    }

    fn stored(&self, tensor: &str) -> Result<&Stored, ModelError> {
        self.tensors
            .get(tensor)
            .ok_or_else(|| ModelError::NoTensor { tensor: tensor.to_owned(), folder: self.folder.clone() })
    }

    /// The file that holds `tensor`.
    pub fn file(&self, tensor: &str) -> Result<&Path, ModelError> {
        Ok(&self.shards[self.stored(tensor)?.shard].0)
    }

    /// The shape of `tensor`.
    pub fn shape(&self, tensor: &str) -> Result<&[usize], ModelError> {
        Ok(&self.stored(tensor)?.shape)
    }

    /// The dtype of `tensor`.
    pub fn dtype(&self, tensor: &str) -> Result<StoredDtype, ModelError> {
        let stored = self.stored(tensor)?;
        stored.dtype.clone().map_err(|found| ModelError::Dtype {
            file: self.shards[stored.shard].0.clone(),
            tensor: tensor.to_owned(),
            found,
        })
    }

    /// The stored bytes of `tensor`.
    pub fn bytes(&self, tensor: &str) -> Result<&[u8], ModelError> {
        let stored = self.stored(tensor)?;
        Ok(&self.shards[stored.shard].1[stored.range.clone()])
    }

    /// The digest of the stored bytes of `tensor`; reads all of them.
    pub fn digest(&self, tensor: &str) -> Result<Digest, ModelError> {
        Ok(Digest::of(self.bytes(tensor)?))
    }

    fn check_shape(&self, tensor: &str, expected: &[usize]) -> Result<&Stored, ModelError> {
        let stored = self.stored(tensor)?;
        if stored.shape != expected {
            return Err(ModelError::Shape {
                file: self.shards[stored.shard].0.clone(),
                tensor: tensor.to_owned(),
                found: stored.shape.clone(),
                expected: expected.to_vec(),
            });
        }
        Ok(stored)
    }

    /// `tensor` `[rows, cols]` in the numeric dtype: mapped if it is stored so, converted otherwise.
    pub fn matrix(
        &self,
        tensor: &str,
        [rows, cols]: [usize; 2],
        dtype: NumericDtype,
    ) -> Result<Matrix, ModelError> {
        let stored = self.check_shape(tensor, &[rows, cols])?;
        let map = &self.shards[stored.shard].1;
        let range = stored.range.clone();
        let matrix = match (self.dtype(tensor)?, dtype) {
            (StoredDtype::Bf16, NumericDtype::Bf16) => {
                let storage =
                    Storage::<bf16>::shared(map.clone(), |map| &map[range.clone()]).unwrap_or_else(|| {
                        // An odd offset cannot be mapped as bf16; the format allows it, so copy.
                        let bytes = map[range.clone()].chunks_exact(2);
                        Storage::owned(bytes.map(|b| bf16::from_le_bytes([b[0], b[1]])).collect())
                    });
                Matrix::bf16(rows, cols, storage)
            }
            (_, NumericDtype::Bf16) => {
                let values = self.f32_values(tensor)?.into_iter().map(bf16::from_f32).collect();
                Matrix::bf16(rows, cols, Storage::owned(values))
            }
            (StoredDtype::F32, NumericDtype::F32) => {
                match Storage::<f32>::shared(map.clone(), |map| &map[range.clone()]) {
                    Some(storage) => Matrix::f32(rows, cols, storage),
                    None => Matrix::f32(rows, cols, Storage::owned(self.f32_values(tensor)?)),
                }
            }
            (_, NumericDtype::F32) => Matrix::f32(rows, cols, Storage::owned(self.f32_values(tensor)?)),
        };
        Ok(matrix)
    }

    /// `tensor` `[len]` widened to f32, rounded through the numeric dtype first as a matrix would be.
    pub fn vector(&self, tensor: &str, len: usize, dtype: NumericDtype) -> Result<Vec<f32>, ModelError> {
        self.check_shape(tensor, &[len])?;
        let values = self.f32_values(tensor)?;
        Ok(match dtype {
            NumericDtype::F32 => values,
            NumericDtype::Bf16 => values.into_iter().map(|value| bf16::from_f32(value).to_f32()).collect(),
        })
    }

    fn f32_values(&self, tensor: &str) -> Result<Vec<f32>, ModelError> {
        let bytes = self.bytes(tensor)?;
        Ok(match self.dtype(tensor)? {
            StoredDtype::F32 => {
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            }
            StoredDtype::F16 => {
                bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            }
            StoredDtype::Bf16 => {
                bytes.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            }
        })
    }
}
