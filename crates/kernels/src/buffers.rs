//! Memory that is used again: what one layer let go of serves the next.
//!
//! Keeps true: bounded; a buffer is initialised memory, but what it holds at first is whatever it held before. A step
//! needs the same few sizes over and over, some too large for the allocator to keep: taken from the system each time,
//! their pages cost a tenth of a prefill.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

/// Bytes below which the allocator does as well.
const BYTES_MIN: usize = 64 << 10;
/// Bytes that one kind of buffer may keep while nobody uses them.
const BYTES_MAX: usize = 192 << 20;

/// Buffers that nobody uses now, by what they hold.
#[derive(Default)]
pub(crate) struct Shelf {
    f32s: Mutex<Vec<Vec<f32>>>,
    i32s: Mutex<Vec<Vec<i32>>>,
    bytes: Mutex<Vec<Vec<u8>>>,
}

/// What buffers can hold.
pub trait Recycled: Copy + Default + 'static {
    #[doc(hidden)]
    fn kept(keeper: &Keeper) -> &Mutex<Vec<Vec<Self>>>;
}

/// Whose buffers they are.
#[derive(Clone, Default)]
pub struct Keeper(Arc<Shelf>);

impl Recycled for f32 {
    fn kept(keeper: &Keeper) -> &Mutex<Vec<Vec<f32>>> {
        &keeper.0.f32s
    }
}

impl Recycled for i32 {
    fn kept(keeper: &Keeper) -> &Mutex<Vec<Vec<i32>>> {
        &keeper.0.i32s
    }
}

impl Recycled for u8 {
    fn kept(keeper: &Keeper) -> &Mutex<Vec<Vec<u8>>> {
        &keeper.0.bytes
    }
}

impl Keeper {
    /// `len` elements of any value, to be overwritten.
    pub fn take<T: Recycled>(&self, len: usize) -> Buffer<T> {
        if len * size_of::<T>() < BYTES_MIN {
            return Buffer { all: vec![T::default(); len], len, keeper: None };
        }
        let mut kept = T::kept(self).lock().expect("no panic holds this lock");
        // The smallest that is large enough; never one that is twice as large, which a larger request may want.
        let fits = |buffer: &Vec<T>| (len..2 * len).contains(&buffer.len());
        let best = (0..kept.len()).filter(|at| fits(&kept[*at])).min_by_key(|at| kept[*at].len());
        let all = match best {
            Some(at) => kept.swap_remove(at),
            None => {
                drop(kept);
                vec![T::default(); len]
            }
        };
        Buffer { all, len, keeper: Some(self.clone()) }
    }

    fn give_back<T: Recycled>(&self, all: Vec<T>) {
        let mut kept = T::kept(self).lock().expect("no panic holds this lock");
        kept.push(all);
        let mut bytes: usize = kept.iter().map(|buffer| buffer.len() * size_of::<T>()).sum();
        // Whoever lies there longest goes first.
        while bytes > BYTES_MAX {
            bytes -= kept.remove(0).len() * size_of::<T>();
        }
    }
}

/// Elements that go back to their keeper when dropped.
pub struct Buffer<T: Recycled> {
    all: Vec<T>,
    len: usize,
    keeper: Option<Keeper>,
}

impl<T: Recycled> From<Vec<T>> for Buffer<T> {
    fn from(all: Vec<T>) -> Self {
        Self { len: all.len(), all, keeper: None }
    }
}

impl<T: Recycled> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all[..self.len]
    }
}

impl<T: Recycled> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.all[..self.len]
    }
}

impl<T: Recycled> AsRef<[T]> for Buffer<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T: Recycled> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.give_back(std::mem::take(&mut self.all));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 100_000;

    #[test]
    fn what_was_let_go_of_serves_the_next_of_about_that_size() {
        let keeper = Keeper::default();
        let first = keeper.take::<f32>(LARGE);
        let place = first.as_ptr();
        drop(first);
        let other = keeper.take::<f32>(LARGE / 2 - 1);
        assert_ne!(other.as_ptr(), place, "too large for that");
        let second = keeper.take::<f32>(LARGE - 7);
        assert_eq!((second.as_ptr(), second.len()), (place, LARGE - 7));
        assert_ne!(keeper.take::<f32>(LARGE).as_ptr(), place, "it is in use");
        drop(second);
        assert_eq!(keeper.take::<f32>(LARGE).len(), LARGE, "its whole length comes back");
    }

    #[test]
    fn what_is_kept_is_bounded_and_small_buffers_are_not_kept() {
        let keeper = Keeper::default();
        let kept = |keeper: &Keeper| keeper.0.bytes.lock().unwrap().iter().map(Vec::len).sum::<usize>();
        drop(keeper.take::<u8>(1000));
        assert_eq!(kept(&keeper), 0);
        let many: Vec<Buffer<u8>> = (0..5).map(|_| keeper.take(BYTES_MAX / 4)).collect();
        drop(many);
        assert_eq!(kept(&keeper), BYTES_MAX / 4 * 4);
        drop(keeper.take::<u8>(BYTES_MAX + 1));
        assert!(kept(&keeper) <= BYTES_MAX);
    }
}
