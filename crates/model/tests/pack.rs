//! Pack files: a start from one computes the same bits, and whatever is wrong with one is said, not used.

use conclave_kernels::Pool;
use conclave_model::{
    CpuCompute, DtypeChoice, ExpertFfn, FileRange, Manifest, ModelError, ModelFolder, PackFile, Residency,
    StepSequence, Trunk, WeightDtype, WeightDtypes, pack_path, write_pack,
};
use conclave_types::ExpertKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FORMS: WeightDtypes = WeightDtypes { experts: WeightDtype::Q4, trunk: WeightDtype::Q8 };

const RESIDENCIES: [Residency; 3] = [Residency::Auto, Residency::File, Residency::Memory];

/// A copy of a golden checkpoint, whose folder the tests may write to.
fn copy(name: &str) -> (tempfile::TempDir, PathBuf) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("model");
    std::fs::create_dir(&to).unwrap();
    for file in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
    (folder, to)
}

fn open(path: &Path) -> ModelFolder {
    ModelFolder::open(path, DtypeChoice::Auto).unwrap().with_weights(FORMS)
}

fn packed(path: &Path) -> (Manifest, PathBuf) {
    let folder = open(path);
    let manifest = Manifest::compute(&folder).unwrap();
    write_pack(&folder, &manifest, &pack_path(&folder)).unwrap();
    (manifest, pack_path(&folder))
}

/// What the model says: logits of a prompt up to the first sparse layer, and an expert's answer.
fn results(folder: &ModelFolder, manifest: &Manifest) -> (Vec<f32>, Vec<f32>) {
    let pool = Arc::new(Pool::inline());
    let trunk = Trunk::load(CpuCompute::new(&folder.spec, pool.clone()), folder).unwrap();
    let mut kv = trunk.kv(4, 16).unwrap();
    let x = trunk.embed(&[3, 1, 4, 1, 5]).unwrap();
    let sequence = [StepSequence { start: 0, len: 5, block_table: vec![0] }];
    let x = trunk.attend(0, x, &mut kv, &sequence).unwrap();
    let logits = trunk.logits(vec![x]).unwrap().to_vec();
    let layer = folder.spec.moe_layers()[0].0;
    let expert = ExpertFfn::load(folder, manifest, ExpertKey::new(layer, 1)).unwrap();
    let rows: Vec<f32> = (0..2 * folder.spec.hidden).map(|i| (i % 13) as f32 / 13.0 - 0.5).collect();
    (logits, expert.run(&rows, &pool).unwrap().to_vec())
}

fn families() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let folders = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect()
    };
    let cases = folders(&root).into_iter().flat_map(|family| folders(&family));
    let mut names: Vec<String> =
        cases.map(|case| case.strip_prefix(&root).unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_start_from_a_pack_file_gives_the_same_bits() {
    for name in families() {
        let (_guard, path) = copy(&name);
        let (manifest, file) = packed(&path);
        let folder = open(&path);
        let expected = results(&folder, &manifest);
        for residency in RESIDENCIES {
            let pack = PackFile::open(&folder, &file).unwrap().expect("just written");
            assert_eq!(pack.manifest(), &manifest);
            let fast = open(&path).with_pack(Some(pack)).with_residency(residency);
            assert_eq!(expected, results(&fast, &manifest), "{name}, weights in {residency}");
            assert_eq!(manifest.model_digest(&folder), manifest.model_digest(&fast));
        }
    }
}

#[test]
fn weights_in_memory_are_copies_that_are_given_back() {
    let (_guard, path) = copy(&families()[0]);
    let (manifest, file) = packed(&path);
    let folder = |residency| {
        let folder = open(&path).with_residency(residency);
        let pack = PackFile::open(&folder, &file).unwrap();
        folder.with_pack(pack)
    };
    for (residency, copies) in [(Residency::File, false), (Residency::Memory, true)] {
        let folder = folder(residency);
        let keys: Vec<ExpertKey> = folder.spec.expert_keys().collect();
        let experts = ExpertFfn::load_all(&folder, &manifest, &keys).unwrap();
        let bytes: usize = experts.iter().map(|expert| expert.bytes().0 as usize).sum();
        assert_eq!(folder.copied_bytes(), if copies { bytes } else { 0 }, "{residency}");
        let trunk = Trunk::load(CpuCompute::new(&folder.spec, Arc::new(Pool::inline())), &folder).unwrap();
        assert_eq!(folder.copied_bytes() > bytes, copies, "{residency}, with the trunk");
        drop((experts, trunk));
        assert_eq!(folder.copied_bytes(), 0, "{residency}");
    }
    // A file that loses its end after it was opened is an error with its name, and no fault of the process.
    let folder = folder(Residency::Memory);
    std::fs::File::options().write(true).open(&file).unwrap().set_len(100).unwrap();
    let keys: Vec<ExpertKey> = folder.spec.expert_keys().collect();
    let error = ExpertFfn::load_all(&folder, &manifest, &keys).err().expect("its bytes are gone");
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    assert_eq!(folder.copied_bytes(), 0);
}

/// The model that comes with Conclave, whose experts fill some frames.
fn tales() -> ModelFolder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny-tales");
    ModelFolder::open(&path, DtypeChoice::Auto).unwrap()
}

#[test]
fn weights_move_into_memory_while_they_are_computed_with_and_are_given_back() {
    let guard = tempfile::tempdir().unwrap();
    let file = guard.path().join("tales.pack");
    let manifest = Manifest::compute(&tales()).unwrap();
    write_pack(&tales().with_weights(FORMS), &manifest, &file).unwrap();
    for (packed, least) in [(false, 30 << 20), (true, 8 << 20)] {
        let folder = if packed { tales().with_weights(FORMS) } else { tales() };
        let pack = if packed { PackFile::open(&folder, &file).unwrap() } else { None };
        let folder = folder.with_pack(pack);
        assert_eq!(folder.residency, Residency::Auto, "unless told otherwise");
        let keys: Vec<ExpertKey> = folder.spec.expert_keys().collect();
        let experts = ExpertFfn::load_all(&folder, &manifest, &keys).unwrap();
        let pool = Arc::new(Pool::inline());
        let rows: Vec<f32> = (0..folder.spec.hidden).map(|i| (i % 13) as f32 / 13.0 - 0.5).collect();
        let answers =
            || experts.iter().map(|expert| expert.run(&rows, &pool).unwrap().to_vec()).collect::<Vec<_>>();
        let before = answers();
        assert_eq!(folder.settle_while(|_| false).unwrap(), 0, "there is no room");
        let moved = folder.settle_while(|_| true).unwrap();
        assert_eq!(folder.copied_bytes(), moved);
        if cfg!(target_os = "linux") {
            assert!(moved >= least, "{moved} moved, packed: {packed}");
        }
        assert!(answers() == before, "packed: {packed}");
        assert_eq!(folder.settle_while(|_| true).unwrap(), 0, "all that can has moved");
        drop(experts);
        assert_eq!(folder.copied_bytes(), 0);
    }
    let fixed = tales().with_residency(Residency::File);
    let keys: Vec<ExpertKey> = fixed.spec.expert_keys().collect();
    let _experts = ExpertFfn::load_all(&fixed, &manifest, &keys).unwrap();
    assert_eq!(fixed.settle_while(|_| true).unwrap(), 0);
}

/// Says that everything is here, and could bring more at any time.
struct AllHere;

impl conclave_model::Supply for AllHere {
    fn bring(&self, _: &[FileRange]) -> Result<(), ModelError> {
        Ok(())
    }
    fn has(&self, _: &FileRange) -> bool {
        true
    }
    fn put(&self, _: &FileRange, _: &[u8]) -> Result<(), ModelError> {
        Ok(())
    }
    fn forget(&self, _: &FileRange) -> Result<(), ModelError> {
        Ok(())
    }
    fn bring_all(&self) -> Result<(), ModelError> {
        Ok(())
    }
}

#[test]
fn beside_bytes_that_are_still_to_come_only_wholly_held_frames_move() {
    let manifest = Manifest::compute(&tales()).unwrap();
    let moved = |folder: ModelFolder, count| {
        let layer = folder.spec.moe_layers()[0].0;
        let keys: Vec<ExpertKey> = (0..count).map(|expert| ExpertKey::new(layer, expert)).collect();
        let _experts = ExpertFfn::load_all(&folder, &manifest, &keys).unwrap();
        folder.settle_while(|_| true).unwrap()
    };
    // A layer's experts are 4.5 MiB, so that two frames at most are wholly theirs, and one at most of a half of them.
    assert!(moved(tales().with_supply(Arc::new(AllHere)), 16) <= moved(tales(), 16));
    assert!(moved(tales().with_supply(Arc::new(AllHere)), 7) == 0, "less than a frame");
    if cfg!(target_os = "linux") {
        assert!(moved(tales(), 16) > 0);
    }
}

#[test]
fn a_pack_file_of_other_weights_or_forms_is_stale() {
    let (_guard, path) = copy(&families()[0]);
    let (_, file) = packed(&path);
    let other = open(&path).with_weights(WeightDtypes { trunk: WeightDtype::Q4, ..FORMS });
    assert!(matches!(PackFile::open(&other, &file), Err(ModelError::StalePack(_))));
    let shard = open(&path).files.paths()[0].to_owned();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options().write(true).open(&shard).unwrap().set_modified(later).unwrap();
    let error = PackFile::open(&open(&path), &file).err().expect("the file has changed");
    assert!(error.to_string().contains("conclave pack"), "{error}");
}

#[test]
fn damage_of_a_pack_file_is_an_error_that_says_what_to_do() {
    let (_guard, path) = copy(&families()[0]);
    let (manifest, file) = packed(&path);
    let whole = std::fs::read(&file).unwrap();
    let folder = open(&path);
    for len in [0, 7, 23, 64, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..len]).unwrap();
        let error = PackFile::open(&folder, &file).err().expect("cut short");
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    }
    let mut flipped = whole.clone();
    // Within the first matrix, whatever the model.
    flipped[164] ^= 1;
    std::fs::write(&file, &flipped).unwrap();
    for residency in RESIDENCIES {
        let pack = PackFile::open(&folder, &file).unwrap().expect("the header is whole");
        let damaged = open(&path).with_pack(Some(pack)).with_residency(residency);
        let trunk = Trunk::load(CpuCompute::new(&damaged.spec, Arc::new(Pool::inline())), &damaged).err();
        let keys: Vec<ExpertKey> = damaged.spec.expert_keys().collect();
        let experts = ExpertFfn::load_all(&damaged, &manifest, &keys).err();
        let error = trunk.or(experts).expect("one matrix is damaged");
        assert!(matches!(error, ModelError::WrongDigest { .. }), "{error}");
    }
}

#[test]
fn nothing_to_quantise_is_nothing_to_pack() {
    let (_guard, path) = copy(&families()[0]);
    let folder = ModelFolder::open(&path, DtypeChoice::Auto).unwrap();
    let manifest = Manifest::compute(&folder).unwrap();
    let file = pack_path(&folder);
    assert!(PackFile::open(&folder, &file).unwrap().is_none(), "a missing file is no error");
    let error = write_pack(&folder, &manifest, &file).unwrap_err();
    assert!(error.to_string().contains("--experts-dtype"), "{error}");
    assert!(!file.exists());
}

#[test]
fn an_embedding_that_is_packed_as_head_is_still_verified_as_embedding() {
    let (_guard, path) = copy("qwen3_moe/tied");
    let (manifest, file) = packed(&path);
    let source = open(&path).files.file("model.embed_tokens.weight").unwrap().to_owned();
    // The same size and time, so that only the digest can tell.
    let changed = source.metadata().unwrap().modified().unwrap();
    let mut bytes = std::fs::read(&source).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let embedding = tensors.tensor("model.embed_tokens.weight").unwrap().data().as_ptr();
    let at = embedding as usize - bytes.as_ptr() as usize;
    bytes[at] ^= 1;
    std::fs::write(&source, &bytes).unwrap();
    std::fs::File::options().write(true).open(&source).unwrap().set_modified(changed).unwrap();
    let pack = PackFile::open(&open(&path), &file).unwrap().expect("the same files, as far as it can see");
    let error = manifest.verify_trunk(&open(&path).with_pack(Some(pack))).unwrap_err();
    assert!(matches!(error, ModelError::WrongDigest { .. }), "{error}");
}
