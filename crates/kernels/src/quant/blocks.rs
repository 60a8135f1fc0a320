//! Quantised weights in their plain, row-major form: what a file holds and what gets packed.

use half::f16;

/// Weights that share a scale, along K.
pub const BLOCK: usize = 32;

/// How a weight becomes a small integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuantKind {
    /// `scale * q`, q in -127..=127: 8.5 bits a weight.
    Q8,
    /// `scale * (q - 8)`, q in 0..=15: 4.5 bits a weight.
    Q4,
    /// `scale * q - min`, q in 0..=15: 5 bits a weight.
    Q4Min,
}

impl QuantKind {
    /// Bytes of one block of 32 weights, scales included.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::Q8 => 34,
            Self::Q4 => 18,
            Self::Q4Min => 20,
        }
    }

    /// The name in pack files and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q8 => "q8",
            Self::Q4 => "q4",
            Self::Q4Min => "q4m",
        }
    }
}

/// A quantised matrix `[rows, cols]`, row-major, in blocks of 32 along the columns.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantBlocks {
    /// How the codes are meant.
    pub kind: QuantKind,
    /// Outputs.
    pub rows: usize,
    /// Inputs, a multiple of 32.
    pub cols: usize,
    /// `[rows, cols]`, one code a byte; for `Q8` the byte is an `i8`.
    pub codes: Vec<u8>,
    /// `[rows, cols / 32]`.
    pub scales: Vec<f16>,
    /// `[rows, cols / 32]`, subtracted; empty but for `Q4Min`.
    pub mins: Vec<f16>,
}

impl QuantBlocks {
    /// The values `[rows, cols]` that the codes stand for, each rounded once to f32.
    pub fn to_f32(&self) -> Vec<f32> {
        let value = |(at, code): (usize, &u8)| {
            let block = at / BLOCK;
            let scale = self.scales[block].to_f32();
            match self.kind {
                QuantKind::Q8 => scale * f32::from(*code as i8),
                QuantKind::Q4 => scale * (f32::from(*code) - 8.0),
                QuantKind::Q4Min => scale.mul_add(f32::from(*code), -self.mins[block].to_f32()),
            }
        };
        self.codes.iter().enumerate().map(value).collect()
    }
}
