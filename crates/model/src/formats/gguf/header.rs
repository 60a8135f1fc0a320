//! A GGUF file's header: metadata and the list of tensors.
//!
//! Keeps true: total on any bytes: every length, count, offset and type is checked before it is used, nothing is
//! allocated that the file has no bytes for, and an error names the file and the offset. Knows no key and no model.
//! Source: the GGUF specification, versions 2 and 3.

use crate::{ModelError, StoredDtype};
use serde_json::{Map, Value};
use std::ops::Range;
use std::path::Path;

/// Most values of all metadata together. Larger than any vocabulary, so that a small file cannot ask for much memory.
const VALUES_MAX: usize = 1 << 22;
/// Most nested arrays.
const DEPTH_MAX: usize = 4;
/// Most dimensions of a tensor.
const DIMENSIONS_MAX: u32 = 4;

/// A parsed header.
#[derive(Debug)]
pub(super) struct Header {
    /// Key to value; a number that is not finite is null.
    pub(super) metadata: Map<String, Value>,
    /// In the file's order.
    pub(super) tensors: Vec<TensorInfo>,
}

/// One tensor of a header.
#[derive(Clone, Debug)]
pub(super) struct TensorInfo {
    pub(super) name: String,
    pub(super) dtype: StoredDtype,
    /// Outermost dimension first.
    pub(super) shape: Vec<usize>,
    /// Its bytes in the file.
    pub(super) range: Range<usize>,
}

/// Parses the header of `file`, which has `size` bytes; `bytes` are all of them, or as many as have the header.
pub(super) fn parse(file: &Path, bytes: &[u8], size: usize) -> Result<Header, ModelError> {
    let mut reader = Reader { file, bytes, at: 0, values: 0 };
    if reader.take(4, "the magic number")? != b"GGUF" {
        return Err(reader.corrupt(0, "this is not a GGUF file: it does not begin with `GGUF`".to_owned()));
    }
    match reader.u32("the version")? {
        2 | 3 => {}
        version if version.swap_bytes() < 100 => {
            return Err(reader.refuse(format!(
                "GGUF version {} in big-endian order; convert it to little-endian",
                version.swap_bytes()
            )));
        }
        version => {
            return Err(
                reader.refuse(format!("GGUF version {version}; supported: 2, 3; convert the model again"))
            );
        }
    }
    // The smallest tensor entry has a name's length, one dimension, a type and an offset; the smallest key a length,
    // a type and a byte.
    let tensors = reader.count("the number of tensors", 32)?;
    let keys = reader.count("the number of metadata keys", 13)?;
    let mut metadata = Map::new();
    for _ in 0..keys {
        let at = reader.at;
        let key = reader.text("a metadata key")?;
        let kind = reader.u32("a value's type")?;
        let value = reader.value(kind, 0)?;
        if metadata.contains_key(&key) {
            return Err(reader.corrupt(at, format!("metadata key `{key}` is there twice")));
        }
        metadata.insert(key, value);
    }
    let alignment = match metadata.get("general.alignment") {
        None => 32,
        Some(value) => match value.as_u64() {
            Some(alignment) if alignment.is_power_of_two() && alignment <= 1 << 20 => alignment as usize,
            _ => {
                return Err(
                    reader.refuse(format!("`general.alignment` is {value}; it can be a power of two"))
                );
            }
        },
    };
    let mut entries = Vec::with_capacity(tensors);
    for _ in 0..tensors {
        entries.push(reader.tensor(alignment)?);
    }
    let start = reader.at.checked_next_multiple_of(alignment).unwrap_or(usize::MAX);
    let mut list = Vec::with_capacity(tensors);
    for (at, name, dtype, shape, offset, len) in entries {
        let begin = start.checked_add(offset);
        let range = begin.and_then(|begin| Some(begin..begin.checked_add(len)?));
        let Some(range) = range.filter(|range| range.end <= size) else {
            let why = format!(
                "tensor `{name}` has {len} bytes at data offset {offset}, beyond the end of the file"
            );
            return Err(reader.corrupt(at, why));
        };
        list.push(TensorInfo { name, dtype, shape, range });
    }
    let mut order: Vec<&TensorInfo> = list.iter().collect();
    order.sort_by_key(|tensor| tensor.range.start);
    if let Some(pair) = order.windows(2).find(|pair| pair[0].range.end > pair[1].range.start) {
        let why = format!("tensors `{}` and `{}` overlap", pair[0].name, pair[1].name);
        return Err(reader.corrupt(pair[1].range.start, why));
    }
    Ok(Header { metadata, tensors: list })
}

/// The entry of a tensor: where the entry is, name, dtype, shape, offset within the data, bytes.
type Entry = (usize, String, StoredDtype, Vec<usize>, usize, usize);

struct Reader<'a> {
    file: &'a Path,
    bytes: &'a [u8],
    at: usize,
    /// Metadata values read so far.
    values: usize,
}

impl<'a> Reader<'a> {
    fn corrupt(&self, at: usize, why: String) -> ModelError {
        ModelError::Corrupt { file: self.file.to_owned(), why: format!("at offset {at}: {why}") }
    }

    fn refuse(&self, why: String) -> ModelError {
        ModelError::Gguf { file: self.file.to_owned(), why }
    }

    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], ModelError> {
        let left = self.bytes.len() - self.at;
        if len > left {
            return Err(self.corrupt(self.at, format!("{what} needs {len} bytes, {left} are left")));
        }
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ModelError> {
        Ok(self.take(N, what)?.try_into().expect("as many bytes as were asked for"))
    }

    fn u32(&mut self, what: &str) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of things of at least `bytes_min` bytes each, for which the file has room.
    fn count(&mut self, what: &str, bytes_min: usize) -> Result<usize, ModelError> {
        let (at, count, left) = (self.at, self.u64(what)?, self.bytes.len() - self.at);
        match usize::try_from(count) {
            Ok(count) if count <= left / bytes_min => Ok(count),
            _ => Err(self.corrupt(at, format!("{what} is {count}, more than the file has room for"))),
        }
    }

    fn text(&mut self, what: &str) -> Result<String, ModelError> {
        let len = self.count(what, 1)?;
        let at = self.at;
        let bytes = self.take(len, what)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.corrupt(at, format!("{what} is not UTF-8")))
    }

    fn value(&mut self, kind: u32, depth: usize) -> Result<Value, ModelError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(self.refuse(format!("its metadata has more than {VALUES_MAX} values")));
        }
        const WHAT: &str = "a metadata value";
        let at = self.at;
        Ok(match kind {
            0 => self.array::<1>(WHAT)?[0].into(),
            1 => i8::from_le_bytes(self.array(WHAT)?).into(),
            2 => u16::from_le_bytes(self.array(WHAT)?).into(),
            3 => i16::from_le_bytes(self.array(WHAT)?).into(),
            4 => self.u32(WHAT)?.into(),
            5 => i32::from_le_bytes(self.array(WHAT)?).into(),
            6 => f64::from(f32::from_le_bytes(self.array(WHAT)?)).into(),
            7 => match self.array::<1>(WHAT)?[0] {
                0 => false.into(),
                1 => true.into(),
                other => return Err(self.corrupt(at, format!("a flag is {other}; it can be 0 or 1"))),
            },
            8 => self.text(WHAT)?.into(),
            9 if depth < DEPTH_MAX => {
                let kind = self.u32("an array's type")?;
                let bytes_min = match kind {
                    0 | 1 | 7 => 1,
                    2 | 3 => 2,
                    4..=6 => 4,
                    8 | 10..=12 => 8,
                    _ => 12,
                };
                let count = self.count("an array's length", bytes_min)?;
                // The vector grows as values come, so that it never outgrows the limit on values.
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(kind, depth + 1)?);
                }
                values.into()
            }
            9 => return Err(self.corrupt(at, format!("arrays are nested more than {DEPTH_MAX} deep"))),
            10 => self.u64(WHAT)?.into(),
            11 => i64::from_le_bytes(self.array(WHAT)?).into(),
            12 => f64::from_le_bytes(self.array(WHAT)?).into(),
            other => return Err(self.corrupt(at, format!("metadata type {other} is unknown"))),
        })
    }

    fn tensor(&mut self, alignment: usize) -> Result<Entry, ModelError> {
        let at = self.at;
        let name = self.text("a tensor's name")?;
        let dimensions = self.u32("a tensor's number of dimensions")?;
        if !(1..=DIMENSIONS_MAX).contains(&dimensions) {
            let why =
                format!("tensor `{name}` has {dimensions} dimensions; it can have 1 to {DIMENSIONS_MAX}");
            return Err(self.corrupt(at, why));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(self.u64("a dimension")?);
        }
        // The file counts from the innermost dimension.
        shape.reverse();
        let kind = self.u32("a tensor's type")?;
        let offset = self.u64("a tensor's offset")?;
        let dtype = dtype_of(kind).map_err(|found| ModelError::Dtype {
            file: self.file.to_owned(),
            tensor: name.clone(),
            found,
        })?;
        let shape: Option<Vec<usize>> = shape.into_iter().map(|size| usize::try_from(size).ok()).collect();
        let weights =
            shape.as_ref().and_then(|shape| shape.iter().try_fold(1_usize, |n, size| n.checked_mul(*size)));
        let (Some(shape), Some(weights @ 1..)) = (shape, weights) else {
            return Err(self.corrupt(at, format!("tensor `{name}` has an impossible shape")));
        };
        let cols = shape[shape.len() - 1];
        if !cols.is_multiple_of(dtype.block_weights()) {
            let why = format!(
                "tensor `{name}` has rows of {cols}, which are no whole blocks of {} of {}",
                dtype.block_weights(),
                dtype.name()
            );
            return Err(self.corrupt(at, why));
        }
        let offset = usize::try_from(offset).ok().filter(|offset| offset.is_multiple_of(alignment));
        let len = (weights / dtype.block_weights()).checked_mul(dtype.block_bytes());
        let (Some(offset), Some(len)) = (offset, len) else {
            let why = format!("tensor `{name}` is not at a multiple of {alignment} bytes, or is too large");
            return Err(self.corrupt(at, why));
        };
        Ok((at, name, dtype, shape, offset, len))
    }
}

/// The dtype of a tensor type, or the name of one that is not supported.
fn dtype_of(kind: u32) -> Result<StoredDtype, String> {
    Ok(match kind {
        0 => StoredDtype::F32,
        1 => StoredDtype::F16,
        2 => StoredDtype::Q4_0,
        3 => StoredDtype::Q4_1,
        6 => StoredDtype::Q5_0,
        7 => StoredDtype::Q5_1,
        8 => StoredDtype::Q8_0,
        10 => StoredDtype::Q2K,
        11 => StoredDtype::Q3K,
        12 => StoredDtype::Q4K,
        13 => StoredDtype::Q5K,
        14 => StoredDtype::Q6K,
        30 => StoredDtype::Bf16,
        other => {
            return Err(match other {
                9 => "Q8_1".to_owned(),
                15 => "Q8_K".to_owned(),
                16 => "IQ2_XXS".to_owned(),
                17 => "IQ2_XS".to_owned(),
                18 => "IQ3_XXS".to_owned(),
                19 => "IQ1_S".to_owned(),
                20 => "IQ4_NL".to_owned(),
                21 => "IQ3_S".to_owned(),
                22 => "IQ2_S".to_owned(),
                23 => "IQ4_XS".to_owned(),
                29 => "IQ1_M".to_owned(),
                39 => "MXFP4".to_owned(),
                other => format!("of type {other}"),
            });
        }
    })
}

#[cfg(test)]
mod tests;
