//! The `--backend` option: whether our kernels or candle compute a model. Keeps true: a backend that is asked for is used or
//! refused, never replaced by another.

use crate::ModelError;
use crate::choice::choice;
use candle_core::Device;

/// The `--backend` option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// Our kernels on this machine's CPU.
    #[default]
    Cpu,
    /// candle on the CPU: the readable reference, slow, all weights widened to f32.
    Candle,
    /// candle on the first NVIDIA GPU, in a binary built with the feature `cuda`.
    Cuda,
    /// candle on the first Apple GPU, in a binary built with the feature `metal`.
    Metal,
}

choice!(BackendChoice, "backend": Cpu = "cpu", Candle = "candle", Cuda = "cuda", Metal = "metal");

impl BackendChoice {
    /// Opens its device.
    ///
    /// Errors: this binary was built without it, or the device does not answer.
    pub fn open(self) -> Result<Backend, ModelError> {
        let device = match self {
            Self::Cpu => return Ok(Backend::Cpu),
            Self::Candle => Ok(Device::Cpu),
            Self::Cuda => Device::new_cuda(0),
            Self::Metal => Device::new_metal(0),
        };
        let failed =
            |error: candle_core::Error| ModelError::Device { backend: self.name(), why: error.to_string() };
        device.map(Backend::Candle).map_err(failed)
    }
}

/// What computes a model.
#[derive(Clone, Debug, Default)]
pub enum Backend {
    /// Our kernels.
    #[default]
    Cpu,
    /// candle on a device.
    Candle(Device),
}

impl Backend {
    /// Its word in options and logs.
    pub fn name(&self) -> &'static str {
        let choice = match self {
            Self::Cpu => BackendChoice::Cpu,
            Self::Candle(device) if device.is_cuda() => BackendChoice::Cuda,
            Self::Candle(device) if device.is_metal() => BackendChoice::Metal,
            Self::Candle(_) => BackendChoice::Candle,
        };
        choice.name()
    }

    /// The numerics class: backends of one class give the same bits. Those of candle may depend on the machine and on how
    /// many rows are computed at once.
    pub fn numerics(&self) -> String {
        match self {
            Self::Cpu => conclave_kernels::NUMERICS.to_owned(),
            Self::Candle(device) if device.is_cpu() => "candle-cpu".to_owned(),
            Self::Candle(_) => format!("candle-{}", self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opened_backend_has_the_name_that_it_was_asked_for_by_and_a_class_of_its_own() {
        let open = |choice: BackendChoice| choice.open().unwrap();
        for choice in [BackendChoice::Cpu, BackendChoice::Candle] {
            assert_eq!(open(choice).name(), choice.name());
        }
        assert_eq!(open(BackendChoice::Cpu).numerics(), conclave_kernels::NUMERICS);
        assert_ne!(open(BackendChoice::Candle).numerics(), conclave_kernels::NUMERICS);
    }

    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    #[test]
    fn a_device_that_was_not_built_in_is_refused_by_name() {
        for choice in [BackendChoice::Cuda, BackendChoice::Metal] {
            let error = choice.open().unwrap_err().to_string();
            assert!(error.contains(&format!("--features {choice}")), "{error}");
        }
    }
}
