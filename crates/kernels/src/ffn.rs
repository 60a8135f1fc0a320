//! The gated feed-forward block (SwiGLU): of a dense layer, or of many experts at once.
//!
//! Keeps true: a row's result depends on that row and its expert alone. Every expert's weights are read once for all
//! of its rows; work is split over (expert, tile of outputs), so that a few hot experts still fill all threads.

use crate::isa::{Kernel, per_isa};
use crate::lanes::exp;
use crate::matmul::{Buffer, Inputs, QUANT_ROWS, Target};
use crate::pool::Disjoint;
use crate::quant::{BLOCK, Form, QuantRows, RowSink, Span, first_rows};
use crate::vector::Vector;
use crate::{Isa, Matrix, Pool};

/// Outputs of the down product in one task.
const DOWN_OUTPUTS: usize = 64;

#[inline(always)]
fn silu_mul_body(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

per_isa! { fn silu_mul_on(gate: &mut [f32], up: &[f32]) = silu_mul_body }

/// Rows' values of one block, as they come out of the gate.
struct QuantizeBlock<'a> {
    values: &'a [[f32; BLOCK]],
    span: Span,
    first_row: usize,
    block: usize,
    sink: &'a RowSink<'a>,
}

impl Kernel for QuantizeBlock<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for (row, values) in self.values.iter().enumerate() {
            // SAFETY: one task has these rows' block; the trait's contract.
            unsafe { self.sink.put::<V>(self.span, self.first_row + row, self.block, values) };
        }
    }
}

/// One expert and the rows that it gets.
#[derive(Clone, Copy)]
pub struct ExpertGroup<'a> {
    /// `[width, hidden]`.
    pub gate: &'a Matrix,
    /// `[width, hidden]`.
    pub up: &'a Matrix,
    /// `[hidden, width]`.
    pub down: &'a Matrix,
    /// Rows of `x`.
    pub rows: &'a [u32],
}

/// The rows between the two products, in the forms that the down matrices ask for.
struct Gated {
    floats: crate::Buffer<f32>,
    quantized: Vec<QuantRows>,
}

/// For each group in order, for each of its rows in order: `down (silu(gate x) * (up x))`, written to `out`
/// `[sum of rows, hidden]`. `x` is `[any, hidden]`; all groups have one width. Panics if the shapes do not fit.
pub fn grouped_swiglu(x: &[f32], hidden: usize, groups: &[ExpertGroup<'_>], out: &mut [f32], pool: &Pool) {
    grouped_swiglu_on(Isa::best(), x, hidden, groups, out, pool);
}

/// [`grouped_swiglu`] on a given instruction set; for tests and benches.
pub fn grouped_swiglu_on(
    isa: Isa,
    x: &[f32],
    hidden: usize,
    groups: &[ExpertGroup<'_>],
    out: &mut [f32],
    pool: &Pool,
) {
    let Some(width) = groups.first().map(|group| group.gate.rows()) else { return };
    let total: usize = groups.iter().map(|group| group.rows.len()).sum();
    assert_eq!(out.len(), total * hidden, "grouped: out is [{total}, {hidden}]");
    for group in groups {
        let shapes = [group.gate, group.up, group.down].map(|matrix| [matrix.rows(), matrix.cols()]);
        assert_eq!(shapes, [[width, hidden], [width, hidden], [hidden, width]], "grouped: shapes");
    }
    let firsts = first_rows(groups.iter().map(|group| group.rows.len()));
    let spans: Vec<Span> = firsts
        .iter()
        .zip(groups)
        .map(|(first, group)| Span { first: *first, rows: group.rows.len() })
        .collect();
    let rows: Vec<&[u32]> = groups.iter().map(|group| group.rows).collect();
    let matrices = groups.iter().flat_map(|group| [group.gate, group.up]);
    let inputs = Inputs::new(isa, x, hidden, matrices, pool).gathered(&rows, pool);
    let Gated { floats, quantized } = gate(isa, &inputs, width, groups, &spans, total, pool);
    let inputs = Inputs::computed(isa, &floats, width, quantized);
    let tiles = hidden.div_ceil(DOWN_OUTPUTS);
    let numbers: Vec<u32> = (0..total as u32).collect();
    let out = Disjoint::new(out);
    pool.each(groups.len() * tiles, total * hidden * width, |task| {
        let (group, tile) = (task / tiles, task % tiles);
        let span = spans[group];
        let Span { first, rows } = span;
        let rows = (&numbers[first..first + rows], span, 0);
        let n = tile * DOWN_OUTPUTS;
        let to = Target { out: &out, at: first * hidden + n, stride: hidden };
        // SAFETY: each task has its own rows and outputs.
        unsafe { inputs.product(rows, groups[group].down, n, DOWN_OUTPUTS.min(hidden - n), &to) };
    });
}

/// `silu(gate x) * (up x)` of every group's rows, `[total, width]`.
fn gate(
    isa: Isa,
    inputs: &Inputs<'_>,
    width: usize,
    groups: &[ExpertGroup<'_>],
    spans: &[Span],
    total: usize,
    pool: &Pool,
) -> Gated {
    let forms: Vec<Option<Form>> = groups.iter().map(|group| Inputs::form_for(isa, group.down)).collect();
    let mut floats = pool.buffer(if forms.contains(&None) { total * width } else { 0 });
    let mut quantized: Vec<QuantRows> = Vec::new();
    for form in forms.iter().flatten() {
        if !quantized.iter().any(|rows| rows.form == *form) {
            quantized.push(QuantRows::room(*form, total, width, pool));
        }
    }
    {
        let to_floats = Disjoint::new(&mut floats);
        let sinks: Vec<RowSink<'_>> = quantized.iter_mut().map(QuantRows::sink).collect();
        let tiles = width.div_ceil(BLOCK);
        let hidden = groups[0].gate.cols();
        pool.each(groups.len() * tiles, 2 * total * hidden * width, |task| {
            let (index, tile) = (task / tiles, task % tiles);
            let group = &groups[index];
            let n = tile * BLOCK;
            let count = BLOCK.min(width - n);
            let span = spans[index];
            for (chunk, rows) in group.rows.chunks(QUANT_ROWS).enumerate() {
                let row = chunk * QUANT_ROWS;
                let (mut gates, mut ups) = (Buffer::new(), Buffer::new());
                let (gates, ups) = (gates.rows(rows.len()), ups.rows(rows.len()));
                for (matrix, values) in [(group.gate, &mut *gates), (group.up, &mut *ups)] {
                    let out = Disjoint::new(values.as_flattened_mut());
                    let to = Target { out: &out, at: 0, stride: BLOCK };
                    // SAFETY: the arrays are this task's own.
                    unsafe { inputs.product((rows, span, row), matrix, n, count, &to) };
                }
                silu_mul_on(isa, gates.as_flattened_mut(), ups.as_flattened());
                match forms[index] {
                    None => gates.iter().enumerate().for_each(|(at, values)| {
                        // SAFETY: each task has its own rows and outputs.
                        unsafe { to_floats.slice((span.first + row + at) * width + n, count) }
                            .copy_from_slice(&values[..count]);
                    }),
                    Some(form) => {
                        let sink = sinks.iter().find(|sink| sink.form == form).expect("made for every form");
                        isa.run(QuantizeBlock { values: gates, span, first_row: row, block: tile, sink });
                    }
                }
            }
        });
    }
    Gated { floats, quantized }
}

/// `out = down (silu(gate x) * (up x))`: `x` and `out` are `[m, hidden]`, `gate` and `up` are
/// `[width, hidden]`, `down` is `[hidden, width]`.
pub fn swiglu(x: &[f32], gate: &Matrix, up: &Matrix, down: &Matrix, out: &mut [f32], pool: &Pool) {
    let rows: Vec<u32> = (0..(x.len() / gate.cols()) as u32).collect();
    grouped_swiglu(x, gate.cols(), &[ExpertGroup { gate, up, down, rows: &rows }], out, pool);
}
