//! GGUF models as a whole: parts, folders, experts one by one, quantised rows. That they compute what the folder they
//! are made from computes is in `golden.rs`.

mod support {
    pub(super) mod gguf;
}

use candle_core::quantized::gguf_file::Value;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use conclave_kernels::quant::QuantKind;
use conclave_model::{DtypeChoice, Manifest, ModelFolder, NumericDtype, StoredDtype, WeightDtype};
use conclave_types::ExpertKey;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use support::gguf::{convert, metadata, tensors, write};

/// A folder to convert, and its config.json.
struct Source {
    folder: ModelFolder,
    config: serde_json::Value,
}

impl Source {
    fn open(path: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
        let config = serde_json::from_slice(&std::fs::read(path.join("config.json")).unwrap()).unwrap();
        Self { folder: ModelFolder::open(&path, DtypeChoice::F32).unwrap(), config }
    }

    fn write(&self, dtype: GgmlDType, file: &Path) {
        convert(&self.folder, &self.config, dtype, file);
    }

    /// Writes it after `change`.
    fn write_changed(
        &self,
        file: &Path,
        change: impl FnOnce(&mut Vec<(String, Value)>, &mut Vec<(String, QTensor)>),
    ) {
        let mut metadata = metadata(&self.folder, &self.config);
        let mut tensors = tensors(&self.folder, GgmlDType::F32);
        change(&mut metadata, &mut tensors);
        write(&metadata, &tensors, file);
    }
}

fn open(path: &Path) -> Result<ModelFolder, String> {
    ModelFolder::open(path, DtypeChoice::Auto).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(path: &Path, why: &str) {
    let error = open(path).err().expect("an error");
    assert!(error.contains(why), "`{error}` does not say `{why}`");
}

fn same_weights(a: &ModelFolder, b: &ModelFolder) {
    assert!(a.files.names().eq(b.files.names()));
    for name in a.files.names() {
        assert_eq!(a.files.shape(name).unwrap(), b.files.shape(name).unwrap(), "{name}");
        assert!(a.files.f32_values(name).unwrap() == b.files.f32_values(name).unwrap(), "{name}");
    }
}

#[test]
fn a_model_in_parts_is_the_model_in_one_file() {
    let source = Source::open("tests/golden/mixtral/sliding");
    let dir = tempfile::tempdir().unwrap();
    let part = |part: usize| dir.path().join(format!("model-of-parts-0000{part}-of-00002.gguf"));
    let tensors = tensors(&source.folder, GgmlDType::F32);
    for (at, half) in tensors.chunks(tensors.len().div_ceil(2)).enumerate() {
        // Only the first part says more than which part it is.
        let mut metadata = if at == 0 { metadata(&source.folder, &source.config) } else { Vec::new() };
        metadata.push(("split.no".to_owned(), Value::U16(at as u16)));
        metadata.push(("split.count".to_owned(), Value::U16(2)));
        metadata.push(("split.tensors.count".to_owned(), Value::I32(tensors.len() as i32)));
        write(&metadata, half, &part(at + 1));
    }
    for path in [part(1), part(2), dir.path().to_owned()] {
        let model = open(&path).unwrap();
        assert_eq!(model.name(), "model-of-parts");
        same_weights(&model, &source.folder);
    }
    let other = dir.path().join("model-of-parts.gguf");
    std::fs::copy(part(1), &other).unwrap();
    refused(&other, "it says that it is part 1 of 2, its name says 1 of 1; name the parts as they were");
    std::fs::rename(part(2), dir.path().join("away")).unwrap();
    refused(&part(1), "model-of-parts-00002-of-00002.gguf: No such file");
}

#[test]
fn a_folder_is_a_gguf_model_if_it_has_one_and_no_config_json() {
    let source = Source::open("tests/golden/olmoe/plain");
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), "config.json: No such file");
    source.write(GgmlDType::BF16, &dir.path().join("one.gguf"));
    let model = open(dir.path()).unwrap();
    assert_eq!((model.name().as_str(), model.dtype), ("one", NumericDtype::Bf16));
    source.write(GgmlDType::F32, &dir.path().join("two.gguf"));
    refused(dir.path(), "the folder has more than one GGUF model: one, two; pass the file of one");
    assert_eq!(open(&dir.path().join("two.gguf")).unwrap().dtype, NumericDtype::F32);
    std::fs::write(dir.path().join("config.json"), "{}").unwrap();
    refused(dir.path(), "config.json: model_type `` is not supported");
    std::fs::write(dir.path().join("weights.bin"), "GGUF").unwrap();
    refused(&dir.path().join("weights.bin"), "the name of a GGUF file ends in `.gguf`");
}

#[test]
fn each_expert_is_a_tensor_of_its_own_with_its_own_digest() {
    let source = Source::open("models/tiny-tales");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model.gguf");
    source.write(GgmlDType::Q8_0, &file);
    let model = open(&file).unwrap();
    assert_eq!(model.dtype, NumericDtype::Bf16);
    let name = |expert| model.spec.expert_tensors(ExpertKey::new(3, expert))[2].clone();
    assert_eq!(model.files.shape(&name(5)).unwrap(), [256, 192]);
    assert_eq!(model.files.bytes(&name(5)).unwrap().len(), 256 * 192 / 32 * 34);
    assert_ne!(model.files.digest(&name(5)).unwrap(), model.files.digest(&name(6)).unwrap());
    let manifest = Manifest::compute(&model).unwrap();
    manifest.verify(&model, &name(5)).unwrap();
    // One expert's bytes changed: that expert is refused, and no other.
    let mut bytes = std::fs::read(&file).unwrap();
    let expert = model.files.bytes(&name(5)).unwrap();
    let at = bytes.windows(64).position(|window| window == &expert[..64]).unwrap();
    bytes[at + 20] ^= 1;
    std::fs::write(dir.path().join("changed.gguf"), bytes).unwrap();
    let changed = open(&dir.path().join("changed.gguf")).unwrap();
    manifest.verify_config(&changed).unwrap();
    manifest.verify(&changed, &name(6)).unwrap();
    let error = manifest.verify(&changed, &name(5)).unwrap_err().to_string();
    assert!(
        error.contains("changed.gguf: tensor `model.layers.3.mlp.experts.5.down_proj.weight` has digest")
    );
}

#[test]
fn quantised_weights_are_near_those_they_are_made_from_and_rows_can_be_read_alone() {
    for (path, dtype, stored, kind, tolerance) in [
        ("models/tiny-tales", GgmlDType::Q8_0, StoredDtype::Q8_0, Some(QuantKind::Q8), 0.01),
        ("models/tiny-tales", GgmlDType::Q6K, StoredDtype::Q6K, None, 0.05),
        ("models/tiny-tales", GgmlDType::Q4K, StoredDtype::Q4K, Some(QuantKind::Q4Min), 0.15),
        // Rows of q and k are stored in another order.
        ("tests/golden/mixtral/plain", GgmlDType::Q8_0, StoredDtype::Q8_0, Some(QuantKind::Q8), 0.01),
    ] {
        let source = Source::open(path);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("model.gguf");
        source.write(dtype, &file);
        let model = open(&file).unwrap();
        for part in ["q_proj", "k_proj", "v_proj", "o_proj"] {
            let name = format!("model.layers.0.self_attn.{part}.weight");
            assert_eq!(model.files.dtype(&name).unwrap(), stored);
            let [rows, cols] = *model.files.shape(&name).unwrap() else { panic!("a matrix") };
            let values = model.files.f32_values(&name).unwrap();
            let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            for (found, expected) in values.iter().zip(source.folder.files.f32_values(&name).unwrap()) {
                assert!((found - expected).abs() <= tolerance * largest, "{name}: {found} is not {expected}");
            }
            assert!(model.files.f32_rows(&name, 3..rows - 1).unwrap() == values[3 * cols..(rows - 1) * cols]);
            let matrix = model.matrix(&name, [rows, cols], WeightDtype::F32).unwrap();
            let mut row = vec![0.0; cols];
            matrix.row_f32(7, &mut row);
            assert!(row == values[7 * cols..8 * cols]);
            let blocks = model.files.quant_blocks(&name).unwrap();
            assert_eq!(blocks.as_ref().map(|blocks| blocks.kind), kind);
            if let Some(blocks) = blocks.filter(|blocks| blocks.kind == QuantKind::Q8) {
                assert!(blocks.to_f32() == values, "{name}");
            }
        }
    }
}

#[test]
fn experts_may_also_be_tensors_of_their_own_as_in_older_files() {
    let source = Source::open("tests/golden/mixtral/sliding");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("old.gguf");
    source.write_changed(&file, |_, tensors| {
        let (stacked, mut plain): (Vec<_>, Vec<_>) =
            tensors.drain(..).partition(|(name, _)| name.contains("_exps"));
        for (name, tensor) in stacked {
            let tensor = tensor.dequantize(&Device::Cpu).unwrap();
            for expert in 0..tensor.dim(0).unwrap() {
                let name = name.replace("_exps.", &format!(".{expert}."));
                let part = tensor.get(expert).unwrap();
                // A copy: candle quantises the whole of what a view looks at.
                let values: Vec<f32> = part.flatten_all().unwrap().to_vec1().unwrap();
                let tensor = Tensor::from_vec(values, part.shape(), &Device::Cpu).unwrap();
                plain.push((name, QTensor::quantize(&tensor, GgmlDType::F32).unwrap()));
            }
        }
        *tensors = plain;
    });
    same_weights(&open(&file).unwrap(), &source.folder);
}

#[test]
fn tensors_that_the_family_does_not_have_are_refused_by_name() {
    let source = Source::open("tests/golden/olmoe/plain");
    let dir = tempfile::tempdir().unwrap();
    let with_renamed = |from: &str, to: &str| -> PathBuf {
        let file = dir.path().join(format!("{to}.gguf"));
        source.write_changed(&file, |_, tensors| {
            tensors.iter_mut().filter(|(name, _)| name == from).for_each(|(name, _)| *name = to.to_owned());
        });
        file
    };
    for tensor in
        ["rope_freqs.weight", "blk.1.ffn_gate_shexp.weight", "blk.2.attn_q.weight", "blk.01.attn_q.weight"]
    {
        let why = format!("tensor `{tensor}` is not known for olmoe and may change the model's maths");
        refused(&with_renamed("blk.1.attn_q.weight", tensor), &why);
    }
    let too_few = dir.path().join("experts.gguf");
    source.write_changed(&too_few, |metadata, _| {
        let count = metadata.iter_mut().find(|(key, _)| key == "olmoe.expert_count").unwrap();
        count.1 = Value::U32(7);
    });
    refused(&too_few, "which are not 7 experts' matrices");
    let mixtral = Source::open("tests/golden/mixtral/plain");
    let rows = dir.path().join("rows.gguf");
    mixtral.write_changed(&rows, |_, tensors| {
        let q = tensors.iter_mut().find(|(name, _)| name == "blk.0.attn_q.weight").unwrap();
        let odd = Tensor::zeros((5, 32), candle_core::DType::F32, &Device::Cpu).unwrap();
        q.1 = QTensor::quantize(&odd, GgmlDType::F32).unwrap();
    });
    refused(&rows, "tensor `blk.0.attn_q.weight` is [5, 32], which are no rows for heads of 16");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_with_changed_bytes_is_read_or_refused_and_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        dtype in prop::sample::select(vec![GgmlDType::F32, GgmlDType::Q8_0]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("changed.gguf");
        let source = Source::open("tests/golden/mixtral/plain");
        source.write(dtype, &file);
        let mut bytes = std::fs::read(&file).unwrap();
        // Some of the first tensor's data too, but above all what describes them.
        let header = 4_000.min(bytes.len());
        changes.iter().for_each(|(at, byte)| bytes[at.index(header)] = *byte);
        std::fs::write(&file, bytes).unwrap();
        if let Ok(model) = open(&file) {
            for name in model.files.names() {
                model.files.f32_values(name).unwrap();
                model.files.quant_blocks(name).unwrap();
            }
        }
    }
}
