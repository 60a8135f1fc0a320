//! Client and server of the expert protocol, side by side.
//!
//! Keeps true: the client over the server over a backend answers exactly as that backend, bit for bit; a lost
//! connection fails its calls at once and comes back by itself. Knows no placement and no request.

mod client;
mod frames;
mod server;
mod socket;
mod weights;

pub use client::GrpcExperts;
pub use conclave_transport::Credentials;
pub use server::ExpertService;
pub use socket::{ExpertSocket, socket_path};
pub use weights::{PeerWeights, WeightSource};

/// Largest message: 4,096 rows of width 8,192 to eight experts each, in bf16, and some room.
const MESSAGE_BYTES_MAX: usize = 640 << 20;
/// HTTP/2 windows: the defaults of 64 KiB make a large batch wait for round trips.
const STREAM_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;
const FRAME_SIZE: u32 = 1 << 20;
/// Bytes of rows in one reply. A long answer in pieces is written, sent and read at once, each piece in the caches; in one
/// piece it passes through memory three times.
const REPLY_BYTES_MAX: u32 = 512 << 10;
/// The one method of the protocol.
const METHOD: &str = "/conclave.expert.v1.Experts/Run";
/// The metadata key that names a stream's lane.
const LANE_KEY: &str = "conclave-lane";
