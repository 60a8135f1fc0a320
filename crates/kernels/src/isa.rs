//! Which instruction set the loops are compiled for. Keeps true: the choice never changes a bit.

use crate::lanes::Lanes;
use crate::vector::Vector;
use std::sync::OnceLock;

/// A set of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Whatever the target always has; fused multiply-add may be emulated, slowly.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW and VL.
    Avx512,
    /// AVX-512 as above, and for integers VNNI and the tiles of AMX.
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// NEON with fused multiply-add, which every aarch64 has.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// A loop that is written once and compiled for every instruction set; its fields are its arguments.
pub(crate) trait Kernel {
    /// What [`Kernel::run`] returns.
    type Output;

    /// The loop. Implementations are `#[inline(always)]`, or they would not be compiled for `V`'s set.
    ///
    /// # Safety
    /// The instruction set of `V` is enabled.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

impl Isa {
    /// The best set of this machine.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| *Self::available().last().expect("portable is always there"))
    }

    /// Every set that this machine can run, worst first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                {
                    found.push(Self::Avx512);
                    if is_x86_feature_detected!("avx512vnni") && crate::quant::tiles_granted() {
                        found.push(Self::Amx);
                    }
                }
            }
        }
        #[cfg(target_arch = "aarch64")]
        found.push(Self::Neon);
        found
    }

    /// Runs `kernel`, compiled for this set.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        {
            use crate::vector::x86::{Avx2, Avx512};
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
            fn avx512<K: Kernel>(kernel: K) -> K::Output {
                // SAFETY: this function enables the set.
                unsafe { kernel.run::<Avx512>() }
            }
            #[target_feature(enable = "avx2,fma")]
            fn avx2<K: Kernel>(kernel: K) -> K::Output {
                // SAFETY: this function enables the set.
                unsafe { kernel.run::<Avx2>() }
            }
            match self {
                // SAFETY: `Isa` values above `Portable` come from run-time detection.
                Isa::Avx512 | Isa::Amx => return unsafe { avx512(kernel) },
                // SAFETY: as above.
                Isa::Avx2 => return unsafe { avx2(kernel) },
                Isa::Portable => {}
            }
        }
        #[cfg(target_arch = "aarch64")]
        if self == Isa::Neon {
            // SAFETY: every aarch64 target of Rust's standard library has NEON.
            return unsafe { kernel.run::<crate::vector::arm::Neon>() };
        }
        // SAFETY: arrays need no instruction set.
        unsafe { kernel.run::<Lanes>() }
    }
}

/// Defines `$name(isa, args)`, which runs the `#[inline(always)]` function `$body` compiled for `isa`.
macro_rules! per_isa {
    ($(#[$doc:meta])* $vis:vis fn $name:ident $(<$(const $c:ident : $ct:ty),+>)? ($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:path) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name $(<$(const $c: $ct),+>)? (isa: $crate::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx512 $(<$(const $c: $ct),+>)? ($($arg: $ty),*) $(-> $ret)? { $body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2 $(<$(const $c: $ct),+>)? ($($arg: $ty),*) $(-> $ret)? { $body($($arg),*) }
                match isa {
                    // SAFETY: `Isa` values above `Portable` come from run-time detection.
                    $crate::Isa::Avx512 | $crate::Isa::Amx => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::Isa::Portable => {}
                }
            }
            let _ = isa;
            $body($($arg),*)
        }
    };
}
pub(crate) use per_isa;
