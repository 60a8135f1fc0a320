//! Routed experts alone: our kernels against candle, for every form of weights, many experts at once.

use candle_core::Device;
use conclave_kernels::Pool;
use conclave_model::{Backend, DtypeChoice, ExpertFfn, Manifest, ModelFolder, WeightDtype, WeightDtypes};
use conclave_types::ExpertKey;
use std::path::Path;

fn load(backend: Backend, experts: WeightDtype) -> Vec<ExpertFfn> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny-tales");
    let weights = WeightDtypes { experts, ..WeightDtypes::default() };
    let folder =
        ModelFolder::open(&path, DtypeChoice::Auto).unwrap().with_weights(weights).with_backend(backend);
    let keys = [5, 0, 11].map(|expert| ExpertKey::new(3, expert));
    let manifest = Manifest::compute(&folder).unwrap();
    ExpertFfn::load_all(&folder, &manifest, &keys).unwrap()
}

#[test]
fn our_kernels_agree_with_candle_in_every_form() {
    let pool = Pool::new(2);
    // The largest and the mean error, over the largest value. A quantised expert rounds its rows to int8 before each product:
    // a value at the border of two codes may fall to either side, and one step of 127 shows.
    for (form, worst_max, mean_max) in [
        (WeightDtype::F32, 1e-5, 1e-6),
        (WeightDtype::Bf16, 1e-5, 1e-6),
        (WeightDtype::Q8, 1.0 / 127.0, 1e-5),
        (WeightDtype::Q4, 1.0 / 127.0, 1e-5),
    ] {
        let (ours, theirs) = (load(Backend::Cpu, form), load(Backend::Candle(Device::Cpu), form));
        let hidden = ours[0].hidden();
        let x: Vec<f32> = (0..9 * hidden).map(|i| (i as f32 * 1.7).sin() * 1.3).collect();
        // A row that two experts want, one that none wants, and an expert without rows.
        let rows: [&[u32]; 3] = [&[8, 0, 3], &[], &[3, 1, 2, 4, 5, 6]];
        let run = |experts: &[ExpertFfn]| {
            let groups: Vec<(&ExpertFfn, &[u32])> = experts.iter().zip(rows).collect();
            ExpertFfn::run_grouped(&groups, &x, hidden, &pool).unwrap()
        };
        let (ours, theirs) = (run(&ours), run(&theirs));
        assert_eq!((ours.len(), theirs.len()), (9 * hidden, 9 * hidden));
        let largest = theirs.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
        let off: Vec<f32> = ours.iter().zip(theirs.iter()).map(|(a, b)| (a - b).abs() / largest).collect();
        let worst = off.iter().copied().fold(0.0, f32::max);
        let mean = off.iter().sum::<f32>() / off.len() as f32;
        assert!(worst <= worst_max && mean <= mean_max, "{form}: off by {worst:e}, in the mean {mean:e}");
    }
}
