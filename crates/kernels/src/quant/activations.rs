//! Activation rows as int8, with one scale for each block of 32.
//!
//! Keeps true: a block's codes depend on its 32 values alone, and are the same on every machine: the largest
//! magnitude becomes 127, ties round to even. A block with NaN or infinity gets a NaN scale, so that whatever it
//! touches is seen to be damaged.

use super::{BLOCK, QuantKind};
use crate::isa::per_isa;
use crate::pool::Disjoint;
use crate::quant::Level;
use crate::{Isa, Pool};

/// How the codes of a row lie, which is what the product's kernel of a level wants to broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One i8 each.
    Bytes,
    /// i16 each; of four, the first and third before the second and fourth: pairs for a 16-bit multiply-add
    /// against bytes of even and of odd places.
    Pairs,
}

impl Form {
    /// What `level` needs to multiply with weights of `kind`.
    pub(crate) fn of(level: Level, kind: QuantKind) -> Self {
        match (level, kind) {
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, QuantKind::Q8) => Self::Pairs,
            _ => Self::Bytes,
        }
    }

    /// Bytes of one code.
    pub(crate) fn code_bytes(self) -> usize {
        match self {
            Self::Bytes => 1,
            Self::Pairs => 2,
        }
    }
}

/// Quantised rows `[rows, blocks * 32]`.
pub(crate) struct QuantRows {
    pub(crate) form: Form,
    pub(crate) blocks: usize,
    pub(crate) codes: Vec<u8>,
    /// `[rows, blocks]`.
    pub(crate) scales: Vec<f32>,
    /// `[rows, blocks]`: the sum of a block's codes.
    pub(crate) sums: Vec<i32>,
}

impl QuantRows {
    /// Room for `rows` rows of `cols` values.
    pub(crate) fn zeros(form: Form, rows: usize, cols: usize) -> Self {
        let blocks = cols.div_ceil(BLOCK);
        let codes = vec![0; rows * blocks * BLOCK * form.code_bytes()];
        Self { form, blocks, codes, scales: vec![0.0; rows * blocks], sums: vec![0; rows * blocks] }
    }

    /// Quantises `x` `[rows, cols]`; missing columns of the last block are zeros.
    pub(crate) fn quantize(isa: Isa, form: Form, x: &[f32], cols: usize, pool: &Pool) -> Self {
        let rows = x.len() / cols;
        let mut out = Self::zeros(form, rows, cols);
        let sink = out.sink();
        let per_task = 16_usize;
        pool.each(rows.div_ceil(per_task), x.len(), |task| {
            for row in task * per_task..rows.min((task + 1) * per_task) {
                quantize_row_on(isa, &x[row * cols..(row + 1) * cols], row, &sink);
            }
        });
        out
    }

    /// Blocks, written from several threads at once.
    pub(crate) fn sink(&mut self) -> RowSink<'_> {
        RowSink {
            form: self.form,
            blocks: self.blocks,
            codes: Disjoint::new(&mut self.codes),
            scales: Disjoint::new(&mut self.scales),
            sums: Disjoint::new(&mut self.sums),
        }
    }
}

/// Where blocks of rows are written.
pub(crate) struct RowSink<'a> {
    pub(crate) form: Form,
    blocks: usize,
    codes: Disjoint<'a, u8>,
    scales: Disjoint<'a, f32>,
    sums: Disjoint<'a, i32>,
}

impl RowSink<'_> {
    /// Quantises `values` as block `block` of row `row`.
    ///
    /// # Safety
    /// No other thread writes this block.
    #[inline(always)]
    pub(crate) unsafe fn put(&self, row: usize, block: usize, values: &[f32; BLOCK]) {
        let at = row * self.blocks + block;
        let mut peak = 0.0_f32;
        let mut damage = 0.0_f32;
        for value in values {
            peak = peak.max(value.abs());
            // 0 for a number, NaN for the rest.
            damage += value * 0.0;
        }
        // Below that the quotient could overflow; such a block is zeros.
        let inverse = if peak > 1e-30 { 127.0 / peak } else { 0.0 };
        let mut codes = [0_i32; BLOCK];
        let mut sum = 0_i32;
        for (code, value) in codes.iter_mut().zip(values) {
            // In range but for damaged blocks, whose scale is NaN whatever the codes.
            *code = round(value * inverse);
            sum = sum.wrapping_add(*code);
        }
        // SAFETY: the caller's promise.
        unsafe {
            self.scales.slice(at, 1)[0] = peak / 127.0 + damage;
            self.sums.slice(at, 1)[0] = sum;
            match self.form {
                Form::Bytes => {
                    let out = self.codes.slice(at * BLOCK, BLOCK);
                    out.iter_mut().zip(&codes).for_each(|(out, code)| *out = *code as u8);
                }
                Form::Pairs => {
                    let out = self.codes.slice(at * BLOCK * 2, BLOCK * 2);
                    for (out, code) in out.as_chunks_mut::<8>().0.iter_mut().zip(codes.as_chunks::<4>().0) {
                        let [a, b, c, d] = code.map(|code| (code as i16).to_ne_bytes());
                        *out = [a[0], a[1], c[0], c[1], b[0], b[1], d[0], d[1]];
                    }
                }
            }
        }
    }
}

/// Rounds to the nearest integer, ties to even, for magnitudes below 2^22; adding 1.5 * 2^23 leaves the integer in
/// the low bits, which unlike a cast the compiler turns into two vector instructions.
#[inline(always)]
fn round(value: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    ((value + SHIFT).to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32)
}

per_isa! { fn quantize_row_on(x: &[f32], row: usize, sink: &RowSink<'_>) = quantize_row }

#[inline(always)]
fn quantize_row(x: &[f32], row: usize, sink: &RowSink<'_>) {
    for (block, part) in x.chunks(BLOCK).enumerate() {
        let mut values = [0.0; BLOCK];
        values[..part.len()].copy_from_slice(part);
        // SAFETY: the caller gives each row to one thread.
        unsafe { sink.put(row, block, &values) };
    }
}
