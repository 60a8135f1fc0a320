//! The gateway's settings: flag, environment variable and TOML key come from these fields.

use crate::engine::Overlap;
use crate::peers::PeerOptions;
use conclave_expert::RowDtype;
use conclave_model::{KvDtypeChoice, NumericDtype};
use conclave_types::Bytes;
use std::net::IpAddr;
use std::path::PathBuf;

/// A setting that cannot be used: key, value, what would do.
pub type Problem = String;

/// `--rows-dtype`: what rows travel as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RowsDtype {
    /// As the model is computed.
    #[default]
    Auto,
    /// In int8.
    Q8,
}

impl RowsDtype {
    /// For a model that is computed in `dtype`.
    pub fn resolve(self, dtype: NumericDtype) -> RowDtype {
        match self {
            Self::Auto => dtype.into(),
            Self::Q8 => RowDtype::Q8,
        }
    }
}

/// Settings of a gateway.
#[derive(Clone, Debug, clap::Args)]
pub struct GatewayOptions {
    /// Port of the API; 0: the system chooses.
    #[arg(long, env = "CONCLAVE_PORT", default_value_t = 8080)]
    pub port: u16,
    /// Address of the API. Off loopback an API key is required.
    #[arg(long, env = "CONCLAVE_HOST", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Keys that clients may use, separated by commas; none: no key is asked for (loopback only).
    #[arg(long = "api-key", env = "CONCLAVE_API_KEYS", value_delimiter = ',', hide_env_values = true)]
    pub api_keys: Vec<String>,
    /// File with the digests of keys that clients may use, their scopes and limits, as `conclave key new` prints them;
    /// read again when it changes. The keys of --api-key have the scopes infer and read.
    #[arg(long, env = "CONCLAVE_API_KEYS_FILE")]
    pub api_keys_file: Option<PathBuf>,
    /// Folder with the certificate (tls.crt) and key (tls.key) that the API shows to clients, which makes it HTTPS; read
    /// again when they change. Default: plain HTTP.
    #[arg(long, env = "CONCLAVE_API_TLS_DIR")]
    pub api_tls_dir: Option<PathBuf>,
    /// Most connections to the API; when there are more, those leave that wait for nothing. Range: 16..=1000000.
    #[arg(long, env = "CONCLAVE_CONNECTIONS_MAX", default_value_t = 16384)]
    pub connections_max: usize,
    /// The model's name in the API; default: the model folder's.
    #[arg(long, env = "CONCLAVE_MODEL_NAME")]
    pub model_name: Option<String>,
    /// Most tokens in one forward step. Unit: tokens. Range: 1..=65536. Larger: more throughput, longer wait
    /// per token.
    #[arg(long, env = "CONCLAVE_STEP_TOKENS_MAX", default_value_t = 256)]
    pub step_tokens_max: u32,
    /// What a step that computes prompts beside running answers should take at most; prompts are cut so that nearly all
    /// such steps do. Unit: milliseconds. Range: 1..=60000. Larger: more throughput, longer wait per token.
    #[arg(long, env = "CONCLAVE_STEP_GOAL_MS", default_value_t = 80)]
    pub step_goal_ms: u32,
    /// Most sequences that run at once. Range: 1..=4096.
    #[arg(long, env = "CONCLAVE_SEQUENCES_MAX", default_value_t = 32)]
    pub sequences_max: u32,
    /// Most sequences that wait; more get 429. Range: 1..=65536.
    #[arg(long, env = "CONCLAVE_QUEUE_MAX", default_value_t = 256)]
    pub queue_max: u32,
    /// KV cache of all sequences together. Unit: tokens. Range: 64..=16777216.
    #[arg(long, env = "CONCLAVE_KV_TOKENS_MAX", default_value_t = 16384, conflicts_with = "kv_bytes_max")]
    pub kv_tokens_max: u32,
    /// The same as memory, such as 512MiB or 2GiB, in place of tokens; enough for 64 tokens at least. Unit: bytes.
    #[arg(long, env = "CONCLAVE_KV_BYTES_MAX")]
    pub kv_bytes_max: Option<Bytes>,
    /// How many times the KV cache those who wait may need in all, by prompt and longest answer, a common prefix counted
    /// once; more get 429. Range: 1..=65536. Larger: longer waits before anybody is turned away.
    #[arg(long, env = "CONCLAVE_QUEUE_KV_CACHES_MAX", default_value_t = 16)]
    pub queue_kv_caches_max: u32,
    /// What keys and values are stored in: auto (f32 for models computed in f32, else bf16), f32, bf16, or q8 (int8
    /// with a scale for each position and head: half of bf16, less exact).
    #[arg(long, env = "CONCLAVE_KV_DTYPE", default_value = "auto")]
    pub kv_dtype: KvDtypeChoice,
    /// What rows are rounded to on their way to the experts and back: auto (as the model is computed, f32 or bf16) or q8
    /// (int8 with a scale for each 32: little more than half of bf16's bytes, less exact). Changes tokens, wherever the
    /// experts are; gateways of one cluster must agree.
    #[arg(long, env = "CONCLAVE_ROWS_DTYPE", default_value = "auto")]
    pub rows_dtype: RowsDtype,
    /// Tokens of one KV block. Range: 1..=256. Multiples of 16 are fastest.
    #[arg(long, env = "CONCLAVE_KV_BLOCK_SIZE", default_value_t = 16)]
    pub kv_block_size: u32,
    /// Keep full KV blocks for later prompts that begin with the same tokens; prompts of different API keys never share.
    #[arg(long, env = "CONCLAVE_PREFIX_CACHE", default_value_t = true, action = clap::ArgAction::Set)]
    pub prefix_cache: bool,
    /// How long a request may take, waiting included, before it ends with `deadline_exceeded`; a request can ask for
    /// less by `timeout_ms`. Unit: seconds. Range: 1..=86400.
    #[arg(long, env = "CONCLAVE_REQUEST_TIMEOUT_S", default_value_t = 600)]
    pub request_timeout_s: u32,
    /// Cut steps into micro-batches, so that the trunk works while rows are away at expert nodes: auto (where it was
    /// measured to pay), off, two or four. Changes no token.
    #[arg(long, env = "CONCLAVE_OVERLAP", default_value = "auto")]
    pub overlap: Overlap,
    /// Most tokens of prompt and answer together; default and upper limit: the model's context. Unit: tokens.
    #[arg(long, env = "CONCLAVE_CONTEXT_MAX")]
    pub context_max: Option<u32>,
    /// Largest request body. Unit: bytes. Range: 1024..=67108864.
    #[arg(long, env = "CONCLAVE_BODY_BYTES_MAX", default_value_t = 2 << 20)]
    pub body_bytes_max: usize,
    /// Most memory for the bodies of all requests that are not encoded yet, such as 64MiB; more get 429. Unit: bytes. At
    /// least --body-bytes-max, at most 1TiB.
    #[arg(long, env = "CONCLAVE_BODIES_BYTES_MAX", default_value = "64MiB")]
    pub bodies_bytes_max: Bytes,
    /// How long running answers may go on once the gateway is told to stop (SIGTERM, Ctrl-C). Unit: seconds.
    /// Range: 0..=3600.
    #[arg(long, env = "CONCLAVE_DRAIN_TIMEOUT", default_value_t = 30)]
    pub drain_timeout_s: u32,
    /// How long a gateway that is told to stop goes on taking requests while `/ready` says no: as long as whatever sends
    /// it requests takes to notice. Unit: seconds. Range: 0..=600.
    #[arg(long, env = "CONCLAVE_DRAIN_DELAY_S", default_value_t = 0)]
    pub drain_delay_s: u32,
    #[command(flatten)]
    /// The other gateways.
    pub peers: PeerOptions,
}

impl GatewayOptions {
    /// Every problem at once.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut range = |key: &str, value: u64, min: u64, max: u64| {
            if !(min..=max).contains(&value) {
                problems.push(format!("{key} is {value}; it can be {min} to {max}"));
            }
        };
        range("step_tokens_max", self.step_tokens_max.into(), 1, 65_536);
        range("step_goal_ms", self.step_goal_ms.into(), 1, 60_000);
        range("sequences_max", self.sequences_max.into(), 1, 4096);
        range("queue_max", self.queue_max.into(), 1, 65_536);
        range("kv_tokens_max", self.kv_tokens_max.into(), 64, 16_777_216);
        range("queue_kv_caches_max", self.queue_kv_caches_max.into(), 1, 65_536);
        range("kv_block_size", self.kv_block_size.into(), 1, 256);
        range("context_max", self.context_max.unwrap_or(2).into(), 2, u32::MAX.into());
        range("request_timeout_s", self.request_timeout_s.into(), 1, 86_400);
        range("body_bytes_max", self.body_bytes_max as u64, 1024, 64 << 20);
        range("bodies_bytes_max", self.bodies_bytes_max.0, self.body_bytes_max as u64, 1 << 40);
        range("connections_max", self.connections_max as u64, 16, 1_000_000);
        range("drain_timeout_s", self.drain_timeout_s.into(), 0, 3600);
        range("drain_delay_s", self.drain_delay_s.into(), 0, 600);
        problems.extend(self.peers.validate());
        if !self.host.is_loopback() && self.api_keys.is_empty() && self.api_keys_file.is_none() {
            problems.push(format!(
                "host is {}, which is not loopback; set api_keys_file (see `conclave key new`), or host to 127.0.0.1",
                self.host
            ));
        }
        if self.api_keys.iter().any(|key| key.len() < 8) {
            problems.push("api_key has a key of under 8 characters; use longer ones".to_owned());
        }
        problems
    }
}
