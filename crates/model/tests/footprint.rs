//! What a model is said to take is what it takes once it is loaded.

use conclave_kernels::attention::KvDtype;
use conclave_model::{
    BackendChoice, DtypeChoice, ExpertFfn, Manifest, ModelFolder, WeightDtype, WeightDtypes,
};
use std::path::Path;

fn folder(path: &str, dtype: WeightDtype) -> ModelFolder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let weights = WeightDtypes { experts: dtype, trunk: dtype };
    ModelFolder::open(&path, DtypeChoice::Auto).unwrap().with_weights(weights)
}

const MODELS: [&str; 4] = [
    "models/tiny-tales",
    "tests/golden/olmoe/plain",
    "tests/golden/mixtral/sliding",
    "tests/golden/qwen3_moe/untied_dense_layer",
];

#[test]
fn an_expert_takes_what_was_said_in_every_form() {
    let forms =
        [WeightDtype::AsStored, WeightDtype::F32, WeightDtype::Bf16, WeightDtype::Q8, WeightDtype::Q4];
    for path in MODELS {
        let manifest = Manifest::compute(&folder(path, WeightDtype::AsStored)).unwrap();
        for form in forms {
            for backend in [BackendChoice::Cpu, BackendChoice::Candle] {
                let folder = folder(path, form).with_backend(backend.open().unwrap());
                let key = folder.spec.expert_keys().next().unwrap();
                let loaded = ExpertFfn::load(&folder, &manifest, key).unwrap();
                let said = folder.footprint().unwrap();
                assert_eq!(said.expert, loaded.bytes().0, "{path} {form} on {}", folder.backend.name());
                assert_eq!(said.experts, folder.spec.expert_keys().count() as u64);
            }
        }
    }
}

#[test]
fn a_trunk_takes_its_matrices() {
    // 8 layers of width 256 with vocabulary 4096, head and embedding one: by config.json.
    let config: serde_json::Value = serde_json::from_slice(
        &std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny-tales/config.json"))
            .unwrap(),
    )
    .unwrap();
    let number = |key: &str| config[key].as_u64().unwrap();
    let (hidden, layers, vocab) = (number("hidden_size"), number("num_hidden_layers"), number("vocab_size"));
    let heads = number("num_attention_heads");
    let head_dim = config["head_dim"].as_u64().unwrap_or(hidden / heads);
    let (q, kv) = (heads * head_dim, number("num_key_value_heads") * head_dim);
    let attention = 2 * q * hidden + 2 * kv * hidden;
    let embeddings = if config["tie_word_embeddings"] == true { 1 } else { 2 };
    let elements = layers * (attention + number("num_experts") * hidden) + embeddings * vocab * hidden;
    let model = folder("models/tiny-tales", WeightDtype::AsStored);
    assert_eq!(model.footprint().unwrap().trunk, 2 * elements);
    assert_eq!(
        folder("models/tiny-tales", WeightDtype::Bf16).footprint().unwrap(),
        model.footprint().unwrap()
    );
    // Eight and a half bits for what can be quantised; embedding and routers stay.
    let quantised = folder("models/tiny-tales", WeightDtype::Q8).footprint().unwrap().trunk;
    let rest = layers * number("num_experts") * hidden + vocab * hidden;
    let head = vocab * hidden;
    assert_eq!(quantised, 2 * rest + (layers * attention + head) * 17 / 16);
    assert_eq!(model.kv_bytes_per_token(KvDtype::Bf16), 2 * 2 * kv * layers);
    assert_eq!(model.kv_bytes_per_token(KvDtype::F32), 2 * 4 * kv * layers);
}
