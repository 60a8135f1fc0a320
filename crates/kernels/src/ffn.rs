//! The gated feed-forward block (SwiGLU) of a dense layer or of one expert.

use crate::isa::per_isa;
use crate::lanes::exp;
use crate::{Isa, Matrix, Pool, matmul};

#[inline(always)]
fn silu_mul_body(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

per_isa! { fn silu_mul_on(gate: &mut [f32], up: &[f32]) = silu_mul_body }

/// `gate = silu(gate) * up`, element by element.
pub fn silu_mul(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "silu_mul");
    silu_mul_on(Isa::best(), gate, up);
}

/// `out = down (silu(gate x) * (up x))`: `x` and `out` are `[m, hidden]`, `gate` and `up` are
/// `[width, hidden]`, `down` is `[hidden, width]`.
pub fn swiglu(x: &[f32], gate: &Matrix, up: &Matrix, down: &Matrix, out: &mut [f32], pool: &Pool) {
    let rows = x.len() / gate.cols();
    let mut gated = vec![0.0; rows * gate.rows()];
    let mut upped = vec![0.0; rows * up.rows()];
    matmul(x, gate, None, &mut gated, pool);
    matmul(x, up, None, &mut upped, pool);
    silu_mul(&mut gated, &upped);
    matmul(&gated, down, None, out, pool);
}
