//! Where the time of a layer whose experts are away goes, and how many bytes it moves.
//!
//! Keeps true: the parts of a layer that succeeds at the first attempt add up to its whole. Knows no reply's content.

use conclave_expert::{ExpertBatch, ExpertOutput, Lane};
use std::time::Duration;

/// One layer's times, for `conclave_layer_seconds` and `conclave_layer_part_seconds`.
#[derive(Debug, Default)]
pub(super) struct LayerTimes {
    away: bool,
    pack: Duration,
    fastest: Option<Duration>,
    /// The answer that came last, whose parts are the layer's.
    slowest: Duration,
    queue: Duration,
    compute: Duration,
    sent: u64,
    received: u64,
}

impl LayerTimes {
    /// A call was made.
    pub(super) fn sent(&mut self, batch: &ExpertBatch, local: bool) {
        self.away |= !local;
        self.sent += batch.rows.data.len() as u64;
    }

    /// Splitting and copying for an attempt took so long.
    pub(super) fn packed(&mut self, took: Duration) {
        self.pack += took;
    }

    /// An answer came `took` after its attempt's calls were handed over.
    pub(super) fn answered(&mut self, output: &ExpertOutput, took: Duration) {
        self.received += output.rows.data.len() as u64;
        self.fastest = Some(self.fastest.map_or(took, |fastest| fastest.min(took)));
        if took >= self.slowest {
            self.slowest = took;
            self.queue = Duration::from_micros(output.queue_us.into());
            self.compute = Duration::from_micros(output.compute_us.into());
        }
    }

    /// Tells the metrics; `whole`: from the layer's rows to its combined answer.
    pub(super) fn record(&self, lane: Lane, whole: Duration) {
        if !self.away {
            return;
        }
        let lane = match lane {
            Lane::Decode => "decode",
            Lane::Prefill => "prefill",
        };
        metrics::counter!("conclave_expert_rows_bytes_total", "direction" => "sent").increment(self.sent);
        metrics::counter!("conclave_expert_rows_bytes_total", "direction" => "received")
            .increment(self.received);
        metrics::histogram!("conclave_layer_seconds", "lane" => lane).record(whole.as_secs_f64());
        let wire = self.slowest.saturating_sub(self.queue + self.compute);
        let wait = self.slowest - self.fastest.unwrap_or(self.slowest);
        let combine = whole.saturating_sub(self.pack + self.slowest);
        // What computing in place would not cost, and how long the first answer waited for the last.
        let overhead = whole.saturating_sub(self.compute);
        metrics::histogram!("conclave_layer_overhead_seconds", "lane" => lane).record(overhead.as_secs_f64());
        metrics::histogram!("conclave_layer_wait_seconds", "lane" => lane).record(wait.as_secs_f64());
        for (part, time) in [
            ("pack", self.pack),
            ("wire", wire),
            ("queue", self.queue),
            ("compute", self.compute),
            ("combine", combine),
        ] {
            metrics::histogram!("conclave_layer_part_seconds", "lane" => lane, "part" => part)
                .record(time.as_secs_f64());
        }
    }
}
