//! What layers whose experts are away cost, from the metrics that a gateway would publish.

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is told of a layer, in order: the whole, what is not computing, how long the first answer waited for the last;
/// then the whole's parts in the order in which they happen.
const TIMES: [&str; 8] = ["layer", "overhead", "wait", "pack", "wire", "queue", "compute", "combine"];

/// Collects what the dispatcher records.
pub(super) struct Layers(Snapshotter);

/// The layers of one figure.
#[derive(Clone, Debug)]
pub(super) struct LayerCost {
    figure: String,
    layers: usize,
    /// Median and 99th percentile of each of [`TIMES`], in seconds.
    times: [[f64; 2]; TIMES.len()],
    /// Bytes of rows a layer: sent, received, and what a message for each expert would be, both ways together.
    bytes: [f64; 3],
}

impl Layers {
    /// From now on the metrics of this process are kept for [`Self::take`].
    pub(super) fn collect() -> anyhow::Result<Self> {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        recorder.install()?;
        Ok(Self(snapshotter))
    }

    /// What was recorded since the last call.
    pub(super) fn take(&self, figure: String) -> LayerCost {
        let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let (mut sent, mut received) = (0.0, 0.0);
        for (key, _, _, value) in self.0.snapshot().into_vec() {
            let key = key.key();
            let label =
                |name: &str| key.labels().find(|label| label.key() == name).map(|label| label.value());
            match (key.name(), value) {
                ("conclave_expert_rows_bytes_total", DebugValue::Counter(bytes)) => {
                    let to = if label("direction") == Some("sent") { &mut sent } else { &mut received };
                    *to = bytes as f64;
                }
                (name, DebugValue::Histogram(values)) => {
                    let Some(name) = name.strip_prefix("conclave_layer_") else { continue };
                    let name = match (name, label("part")) {
                        (_, Some(part)) => part,
                        ("seconds", None) => "layer",
                        (name, None) => name.trim_end_matches("_seconds"),
                    };
                    times.entry(name.to_owned()).or_default().extend(values.iter().map(|v| v.into_inner()));
                }
                _ => {}
            }
        }
        let layers = times.get("layer").map_or(0, Vec::len);
        let quantiles = TIMES.map(|name| {
            let mut values = times.remove(name).unwrap_or_default();
            values.sort_by(f64::total_cmp);
            let at = |share: f64| ((values.len().max(1) - 1) as f64 * share) as usize;
            [0.5, 0.99].map(|share| values.get(at(share)).copied().unwrap_or(f64::NAN))
        });
        // An expert's rows come back one by one; sent one by one, they would be as many there.
        let bytes = [sent, received, 2.0 * received].map(|bytes| bytes / layers.max(1) as f64);
        LayerCost { figure, layers, times: quantiles, bytes }
    }
}

impl LayerCost {
    /// The heads of [`Self::cells`].
    pub(super) fn heads() -> [String; TIMES.len() + 3] {
        let times = TIMES.map(str::to_owned);
        std::array::from_fn(|at| match at {
            0 => "figure".to_owned(),
            1 => "us".to_owned(),
            at if at - 2 < TIMES.len() => times[at - 2].clone(),
            _ => "KB, of one message an expert".to_owned(),
        })
    }

    /// Two lines of a table: medians and 99th percentiles in microseconds; the first with the bytes.
    pub(super) fn cells(&self) -> [[String; TIMES.len() + 3]; 2] {
        let [sent, received, each] = self.bytes;
        [(0, "P50"), (1, "P99")].map(|(quantile, name)| {
            std::array::from_fn(|at| match at {
                0 if quantile == 0 => self.figure.clone(),
                1 => name.to_owned(),
                at if (2..TIMES.len() + 2).contains(&at) => {
                    format!("{:.0}", self.times[at - 2][quantile] * 1e6)
                }
                at if at > 1 && quantile == 0 => {
                    format!("{:.1}, {:.0} %", (sent + received) * 1e-3, 100.0 * (sent + received) / each)
                }
                _ => String::new(),
            })
        })
    }

    pub(super) fn json(&self) -> Value {
        let [sent, received, each] = self.bytes;
        let times = TIMES.iter().zip(self.times);
        json!({
            "figure": self.figure,
            "layers": self.layers,
            "seconds": times.map(|(name, [p50, p99])| ((*name).to_owned(), json!({"p50": p50, "p99": p99})))
                .collect::<serde_json::Map<_, _>>(),
            "bytes_sent": sent,
            "bytes_received": received,
            "bytes_of_one_message_an_expert": each,
        })
    }
}
