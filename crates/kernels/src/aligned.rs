//! Memory that begins at a cache line, so that no register's load crosses two.

use bytemuck::Pod;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

const LINE_BYTES: usize = 64;

/// Zeroed elements that begin at a cache line.
pub(crate) struct Aligned<T> {
    words: Vec<u64>,
    start: usize,
    len: usize,
    elements: PhantomData<T>,
}

impl<T: Pod> Aligned<T> {
    /// `len` zeros. The system's zero pages are used as they are: what is never written takes no memory.
    pub(crate) fn zeroed(len: usize) -> Self {
        // One line more and a start within it: asking for alignment would write all the zeros, and so would a
        // vector of a type that the standard library does not know.
        let words = vec![0_u64; (len * size_of::<T>() + LINE_BYTES).div_ceil(size_of::<u64>())];
        let start = words.as_ptr().align_offset(LINE_BYTES);
        Self { words, start, len, elements: PhantomData }
    }
}

impl<T: Pod> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.words[self.start..])[..self.len]
    }
}

impl<T: Pod> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.words[self.start..])[..self.len]
    }
}
