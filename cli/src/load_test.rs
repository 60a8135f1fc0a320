//! `conclave load-test`: a face of the load test, with the settings and signals of this process.

use crate::process::{Stop, check, runtime};
use conclave_load_test::LoadTestOptions;

/// Threads for sockets and timers; one is enough for some thousand tokens a second.
const THREADS: usize = 2;

pub(crate) fn run(options: LoadTestOptions, stop: Stop) -> anyhow::Result<()> {
    check([options.validate()])?;
    runtime(THREADS)?.block_on(async { conclave_load_test::run(options, stop.token()).await })?;
    Ok(())
}
