//! Quantised weights as the kernels read them: sixteen columns side by side, one per vector lane.
//!
//! The layout, of a matrix with `rows` outputs and `cols` inputs: panels of 16 outputs, in order; a panel is its
//! blocks of 32 inputs, in order; a block is a record:
//!
//! ```text
//! scales  16 x f16, one per output
//! mins    16 x f16, only with Q4Min
//! codes   Q8: for each 4 inputs, 16 outputs x 4 bytes            (512 bytes)
//!         Q4: the same for inputs 4g..4g+4 in the low nibbles and
//!             16+4g..16+4g+4 in the high nibbles, g < 4           (256 bytes)
//! ```
//!
//! Keeps true: a record is a multiple of 32 bytes; missing outputs and inputs are zeros. It is the same on every
//! machine, so a pack file can be copied.

use super::{BLOCK, QuantBlocks, QuantKind};
use crate::Storage;
use half::f16;

/// Outputs of one panel.
pub(crate) const PANEL: usize = 16;

/// A cache line, so that packed weights are aligned.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Line(pub [u8; 64]);

// SAFETY: 64 bytes of 64 bytes alignment: no padding, every bit pattern is valid.
unsafe impl bytemuck::Zeroable for Line {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Line {}

/// A quantised matrix in panels.
#[derive(Clone)]
pub struct PackedMatrix {
    kind: QuantKind,
    rows: usize,
    cols: usize,
    blocks: usize,
    data: Storage<Line>,
}

impl QuantKind {
    /// Bytes before the codes of a record.
    pub(crate) fn codes_at(self) -> usize {
        match self {
            Self::Q8 | Self::Q4 => 2 * PANEL,
            Self::Q4Min => 4 * PANEL,
        }
    }

    /// Bytes of the record of one block of a panel.
    pub(crate) fn record_bytes(self) -> usize {
        self.block_bytes() * PANEL
    }

    /// Where in a record's codes the code of output `lane` and input `k` is, and by how many bits it is shifted.
    fn place(self, lane: usize, k: usize) -> (usize, u32) {
        let in_group = |k: usize| k / 4 * 4 * PANEL + lane * 4 + k % 4;
        match self {
            Self::Q8 => (in_group(k), 0),
            Self::Q4 | Self::Q4Min => (in_group(k % 16), if k < 16 { 0 } else { 4 }),
        }
    }
}

impl PackedMatrix {
    /// Packs `blocks`; `cols` are the inputs without padding.
    pub fn pack(blocks: &QuantBlocks, cols: usize) -> Self {
        let mut data = vec![Line([0; 64]); Self::lines(blocks.kind, blocks.rows, cols)];
        Self::pack_into(blocks, cols, bytemuck::cast_slice_mut(&mut data));
        Self::new(blocks.kind, blocks.rows, cols, Storage::owned(data))
    }

    /// Packs `blocks` into `out`, zeros of [`Self::lines`] lines.
    pub fn pack_into(blocks: &QuantBlocks, cols: usize, out: &mut [u8]) {
        let kind = blocks.kind;
        assert_eq!(blocks.cols, cols.div_ceil(BLOCK) * BLOCK, "pack: whole blocks");
        let per_row = blocks.cols / BLOCK;
        let record = kind.record_bytes();
        for row in 0..blocks.rows {
            let (panel, lane) = (row / PANEL, row % PANEL);
            for block in 0..per_row {
                let at = (panel * per_row + block) * record;
                let out = &mut out[at..at + record];
                let source = row * per_row + block;
                out[2 * lane..2 * lane + 2].copy_from_slice(&blocks.scales[source].to_le_bytes());
                if kind == QuantKind::Q4Min {
                    let at = 2 * (PANEL + lane);
                    out[at..at + 2].copy_from_slice(&blocks.mins[source].to_le_bytes());
                }
                let codes = &blocks.codes[source * BLOCK..(source + 1) * BLOCK];
                for (k, code) in codes.iter().enumerate() {
                    let (at, shift) = kind.place(lane, k);
                    out[kind.codes_at() + at] |= code << shift;
                }
            }
        }
    }

    /// Lines of a packed matrix.
    pub fn lines(kind: QuantKind, rows: usize, cols: usize) -> usize {
        (rows.div_ceil(PANEL) * cols.div_ceil(BLOCK) * kind.record_bytes()).div_ceil(64)
    }

    /// A matrix whose packed form is `data`; panics if that has another size.
    pub fn new(kind: QuantKind, rows: usize, cols: usize, data: Storage<Line>) -> Self {
        assert_eq!(data.elements().len(), Self::lines(kind, rows, cols), "packed [{rows}, {cols}]");
        Self { kind, rows, cols, blocks: cols.div_ceil(BLOCK), data }
    }

    /// How the weights are quantised.
    pub fn kind(&self) -> QuantKind {
        self.kind
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The packed form.
    pub fn data(&self) -> &[u8] {
        bytemuck::cast_slice(self.data.elements())
    }

    /// Blocks of 32 inputs.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    /// The records of `panel`.
    pub(crate) fn panel(&self, panel: usize) -> &[u8] {
        let bytes = self.blocks * self.kind.record_bytes();
        &self.data()[panel * bytes..(panel + 1) * bytes]
    }

    /// Writes the values that row `row` stands for to `out` `[cols]`, each rounded once.
    pub fn row_f32(&self, row: usize, out: &mut [f32]) {
        let panel = self.panel(row / PANEL);
        let lane = row % PANEL;
        let half = |bytes: &[u8]| f16::from_le_bytes([bytes[2 * lane], bytes[2 * lane + 1]]).to_f32();
        let records = panel.chunks_exact(self.kind.record_bytes());
        for (record, out) in records.zip(out.chunks_mut(BLOCK)) {
            let scale = half(record);
            let codes = &record[self.kind.codes_at()..];
            for (k, out) in out.iter_mut().enumerate() {
                let (at, shift) = self.kind.place(lane, k);
                let nibble = || f32::from(codes[at] >> shift & 0xf);
                *out = match self.kind {
                    QuantKind::Q8 => scale * f32::from(codes[at] as i8),
                    QuantKind::Q4 => scale * (nibble() - 8.0),
                    QuantKind::Q4Min => scale.mul_add(nibble(), -half(&record[2 * PANEL..])),
                };
            }
        }
    }
}
