//! `LocalExperts` alone, behind `Faulty`, and as experts come and go.

use conclave_expert::conformance::Subject;
use conclave_expert::{ExpertBackend, ExpertError, Faulty, LocalExperts};
use conclave_kernels::Pool;
use conclave_model::{DtypeChoice, Manifest, ModelFolder};
use conclave_types::{ExpertIdx, ExpertKey, LayerIdx};
use futures::executor::block_on;
use std::path::Path;
use std::sync::Arc;

fn folder() -> (ModelFolder, Manifest) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/qwen3_moe/tied");
    let folder = ModelFolder::open(&path, DtypeChoice::Auto).unwrap();
    let manifest = Manifest::compute(&folder).unwrap();
    (folder, manifest)
}

fn experts(folder: &ModelFolder, manifest: &Manifest, threads: usize) -> LocalExperts {
    let keys = folder.spec.expert_keys().filter(|key| key.expert.0 < 4);
    LocalExperts::load(folder, manifest, keys, Arc::new(Pool::new(threads))).unwrap()
}

#[test]
fn local_experts_conform_with_any_number_of_threads() {
    let (folder, manifest) = folder();
    let reference = experts(&folder, &manifest, 1);
    let (model, hidden) = (manifest.model_digest(&folder), folder.spec.hidden);
    for threads in 1..=3 {
        let backend = experts(&folder, &manifest, threads);
        block_on(Subject { backend: &backend, reference: &reference, model, hidden }.check());
    }
}

#[test]
fn a_faulty_backend_fails_as_told_and_then_conforms() {
    let (folder, manifest) = folder();
    let reference = experts(&folder, &manifest, 1);
    let faulty = Faulty::new(experts(&folder, &manifest, 1), [ExpertError::Draining]);
    let (model, hidden) = (manifest.model_digest(&folder), folder.spec.hidden);
    let subject = Subject { backend: &faulty, reference: &reference, model, hidden };
    assert_eq!(block_on(faulty.run(subject.call(1))), Err(ExpertError::Draining));
    block_on(subject.check());
}

#[test]
fn experts_come_and_go_one_by_one_and_only_held_ones_take_memory() {
    let (folder, manifest) = folder();
    let experts = experts(&folder, &manifest, 1);
    let (before, each) = (experts.bytes(), experts.bytes().0 / experts.held().len() as u64);
    let key = ExpertKey::new(0, 6);
    experts.add(&folder, &manifest, key).unwrap();
    assert_eq!(experts.bytes().0, before.0 + each);
    experts.add(&folder, &manifest, key).unwrap();
    assert_eq!(experts.bytes().0, before.0 + each, "loaded once");
    experts.release(&[key, ExpertKey::new(1, 0)].into());
    assert_eq!(experts.bytes().0, before.0 - each);
    let reference = &experts;
    let subject = Subject {
        backend: &experts,
        reference,
        model: manifest.model_digest(&folder),
        hidden: folder.spec.hidden,
    };
    let call = subject.call(1);
    assert_eq!(call.layer, LayerIdx(1));
    let not_held = ExpertError::NotHeld { layer: LayerIdx(1), experts: vec![ExpertIdx(0)] };
    let zero = call.experts.iter().any(|expert| expert.expert == ExpertIdx(0));
    assert_eq!((zero, block_on(experts.run(call))), (true, Err(not_held)));
}
