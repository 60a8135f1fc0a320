use super::*;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use proptest::prelude::*;
use std::borrow::Cow;

/// Every dtype with its name in candle, whose reader is the reference.
const DTYPES: [(StoredDtype, GgmlDType); 13] = [
    (StoredDtype::F32, GgmlDType::F32),
    (StoredDtype::F16, GgmlDType::F16),
    (StoredDtype::Bf16, GgmlDType::BF16),
    (StoredDtype::Q4_0, GgmlDType::Q4_0),
    (StoredDtype::Q4_1, GgmlDType::Q4_1),
    (StoredDtype::Q5_0, GgmlDType::Q5_0),
    (StoredDtype::Q5_1, GgmlDType::Q5_1),
    (StoredDtype::Q8_0, GgmlDType::Q8_0),
    (StoredDtype::Q2K, GgmlDType::Q2K),
    (StoredDtype::Q3K, GgmlDType::Q3K),
    (StoredDtype::Q4K, GgmlDType::Q4K),
    (StoredDtype::Q5K, GgmlDType::Q5K),
    (StoredDtype::Q6K, GgmlDType::Q6K),
];

fn widened(dtype: StoredDtype, bytes: &[u8]) -> Vec<f32> {
    let mut out = vec![0.0; bytes.len() / dtype.block_bytes() * dtype.block_weights()];
    widen(dtype, bytes, &mut out);
    out
}

fn reference(dtype: GgmlDType, bytes: &[u8]) -> Vec<f32> {
    let len = bytes.len() / dtype.type_size() * dtype.block_size();
    // candle looks at the bytes as its own blocks; a vector of their own is aligned for them.
    let bytes = bytes.to_vec();
    let storage = QStorage::from_data(Cow::Borrowed(&bytes), &Device::Cpu, dtype).unwrap();
    let tensor = QTensor::new(storage, len).unwrap().dequantize(&Device::Cpu).unwrap();
    tensor.to_vec1().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_mean_what_they_mean_to_candle(bytes in prop::collection::vec(any::<u8>(), 3 * 210)) {
        for (dtype, candle) in DTYPES {
            let bytes = &bytes[..3 * dtype.block_bytes()];
            let bits = |values: Vec<f32>| -> Vec<u32> {
                values.iter().map(|v| if v.is_nan() { f32::NAN } else { *v }.to_bits()).collect()
            };
            prop_assert_eq!(bits(widened(dtype, bytes)), bits(reference(candle, bytes)), "{}", dtype.name());
        }
    }
}

/// `0.5 sin` of some length, as `dtype` stores it.
fn stored(dtype: GgmlDType) -> Vec<u8> {
    let values: Vec<f32> = (0..1024).map(|at| (at as f32 * 0.37).sin() * 0.5).collect();
    let tensor = Tensor::from_vec(values, (4, 256), &Device::Cpu).unwrap();
    QTensor::quantize(&tensor, dtype).unwrap().data().unwrap().into_owned()
}

fn blocks(dtype: StoredDtype, bytes: &[u8]) -> (bool, QuantBlocks) {
    let kind = quant_kind(dtype).unwrap();
    let mut out = QuantBlocks { kind, rows: 1, cols: 0, codes: vec![], scales: vec![], mins: vec![] };
    (append_row(dtype, bytes, &mut out), out)
}

#[test]
fn blocks_that_are_taken_over_mean_the_same_weights() {
    for (dtype, candle, tolerance) in [
        (StoredDtype::Q8_0, GgmlDType::Q8_0, 0.0),
        (StoredDtype::Q4_0, GgmlDType::Q4_0, 0.0),
        // The product is rounded before the sum here, and not there.
        (StoredDtype::Q4_1, GgmlDType::Q4_1, 1e-6),
        // Scale times code and minimum, each rounded to 11 bits.
        (StoredDtype::Q4K, GgmlDType::Q4K, 1.0 / 1024.0),
    ] {
        let bytes = stored(candle);
        let (fits, blocks) = blocks(dtype, &bytes);
        assert!(fits);
        for (found, expected) in blocks.to_f32().iter().zip(widened(dtype, &bytes)) {
            assert!((found - expected).abs() <= tolerance, "{}: {found} is not {expected}", dtype.name());
        }
    }
}

#[test]
fn a_code_of_minus_128_and_a_scale_without_end_do_not_fit() {
    let mut block = [0_u8; 34];
    assert!(blocks(StoredDtype::Q8_0, &block).0);
    block[20] = 0x80;
    assert!(!blocks(StoredDtype::Q8_0, &block).0);
    // 60000 times the small scale 2 is beyond f16.
    let mut block = [0_u8; 144];
    block[..2].copy_from_slice(&f16::from_f32(60_000.0).to_le_bytes());
    block[4] = 1;
    assert!(blocks(StoredDtype::Q4K, &block).0);
    block[4] = 2;
    assert!(!blocks(StoredDtype::Q4K, &block).0);
}
