//! How far long work is, as a watcher hears it: every piece is told from its beginning to its end, and to all of its size.

use conclave_kernels::Pool;
use conclave_model::{
    CpuCompute, DtypeChoice, ExpertFfn, Manifest, ModelFolder, Progress, Step, Trunk, Unit, WeightDtype,
    WeightDtypes, write_pack,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

fn golden(case: &str, dtype: WeightDtype) -> ModelFolder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(case);
    let weights = WeightDtypes { experts: dtype, trunk: dtype };
    ModelFolder::open(&path, DtypeChoice::F32).unwrap().with_weights(weights)
}

/// The pieces of what `work` does with `folder`: what, done, all.
fn pieces(folder: ModelFolder, work: impl FnOnce(&ModelFolder)) -> Vec<(&'static str, u64, u64)> {
    let (tell, heard) = channel();
    let folder = folder.with_progress(Progress::to(tell));
    work(&folder);
    drop(folder);
    let mut pieces = Vec::new();
    let mut open = None;
    for step in heard {
        match step {
            Step::Begin { what, all, unit } => {
                assert_eq!((open, unit), (None, Unit::Bytes), "{what} begins");
                open = Some((what, 0, all));
            }
            Step::Done(amount) => open.as_mut().expect("a piece is under way").1 += amount,
            Step::End => pieces.push(open.take().expect("what ends has begun")),
        }
    }
    assert_eq!(open, None, "it ends");
    pieces
}

#[test]
fn loading_and_packing_tell_of_all_their_bytes() {
    for (case, dtype) in [
        ("qwen3_moe/untied_dense_layer", WeightDtype::Q4),
        ("qwen3_moe/tied", WeightDtype::Q8),
        ("mixtral/plain", WeightDtype::F32),
    ] {
        let folder = golden(case, dtype);
        let bytes: u64 =
            folder.files.names().map(|name| folder.files.bytes(name).unwrap().len() as u64).sum();
        let keys: Vec<_> = folder.spec.expert_keys().collect();
        let told = pieces(folder, |folder| {
            let manifest = Manifest::compute(folder).unwrap();
            manifest.verify_trunk(folder).unwrap();
            ExpertFfn::load_all(folder, &manifest, &keys).unwrap();
            Trunk::load(CpuCompute::new(&folder.spec, Arc::new(Pool::inline())), folder).unwrap();
            if dtype != WeightDtype::F32 {
                let dir = tempfile::tempdir().unwrap();
                write_pack(folder, &manifest, &dir.path().join("a.pack")).unwrap();
            }
        });
        let whats: Vec<&str> = told.iter().map(|(what, ..)| *what).collect();
        let expected = [
            "reading and hashing the weights",
            "checking the trunk",
            "loading the experts",
            "loading the trunk",
            "quantising and packing",
        ];
        assert_eq!(whats, expected[..whats.len()], "{case}");
        assert_eq!(whats.len(), if dtype == WeightDtype::F32 { 4 } else { 5 }, "{case}");
        assert_eq!(told[0].2, bytes, "{case}");
        assert!(told.iter().all(|(_, done, all)| done == all && *all > 0), "{case}: {told:?}");
    }
}

#[test]
fn what_fails_ends_too() {
    let folder = golden("olmoe/plain", WeightDtype::Q4);
    let other = Manifest::compute(&golden("olmoe/clip", WeightDtype::Q4)).unwrap();
    let keys: Vec<_> = folder.spec.expert_keys().collect();
    let told = pieces(folder, |folder| assert!(ExpertFfn::load_all(folder, &other, &keys).is_err()));
    assert_eq!(told.len(), 1);
    assert!(told[0].1 < told[0].2, "{told:?}");
}
