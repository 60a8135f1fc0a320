//! `conclave model plan`: what a model needs, by its description and headers alone.
//!
//! Keeps true: sizes are those that loading gives ([`ModelFolder::footprint`]); the arithmetic knows no file.

use super::open_source;
use crate::progress;
use conclave_delivery::{DeliveryOptions, Source};
use conclave_model::{
    BackendChoice, DtypeChoice, Footprint, KvDtypeChoice, ModelFolder, WeightDtype, WeightDtypes,
};
use conclave_types::Bytes;
use serde_json::{Value, json};

/// Settings of `conclave model plan`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PlanOptions {
    /// The model: a folder, a .gguf file, or where it is fetched from.
    source: Source,
    /// Expert nodes. Range: 1..=1000.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    nodes: u64,
    /// Homes of every expert. Range: 1..=16.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=16))]
    replicas: u64,
    /// Memory that a node has for experts, such as 16GiB; default: tell what it needs.
    #[arg(long)]
    memory_max: Option<Bytes>,
    /// Positions that a gateway's KV cache has room for.
    #[arg(long, default_value_t = 16_384)]
    kv_tokens_max: u64,
    /// What to compute in: auto (as stored), f32 or bf16.
    #[arg(long, default_value = "auto")]
    dtype: DtypeChoice,
    /// Form of the experts' weights in memory: auto, f32, bf16, q8 or q4.
    #[arg(long, default_value_t)]
    experts_dtype: WeightDtype,
    /// The same for the trunk.
    #[arg(long, default_value_t)]
    trunk_dtype: WeightDtype,
    /// What keys and values are stored in: auto, f32, bf16 or q8.
    #[arg(long, default_value_t)]
    kv_dtype: KvDtypeChoice,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    delivery: DeliveryOptions,
}

/// What the cluster would need. Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Needs {
    /// Homes of every expert: no more than there are nodes.
    replicas: u64,
    /// Of one expert.
    expert: u64,
    /// Of all experts at all homes.
    experts: u64,
    /// Of the node that has most.
    node: u64,
    /// The fewest nodes whose memory is enough; none is said if none was given.
    nodes_min: Option<u64>,
    /// Whether the nodes' memory is enough.
    fits: Option<bool>,
}

impl Needs {
    fn json(&self) -> Value {
        let Self { replicas, expert, experts, node, nodes_min, fits } = self;
        json!({
            "replicas": replicas,
            "expert": expert,
            "experts": experts,
            "node": node,
            "nodes_min": nodes_min,
            "fits": fits,
        })
    }
}

fn needs(footprint: Footprint, nodes: u64, replicas: u64, memory_max: Option<u64>) -> Needs {
    let Footprint { expert, experts, .. } = footprint;
    let replicas = replicas.min(nodes);
    let homes = experts * replicas;
    let most = homes.div_ceil(nodes);
    let room = memory_max.map(|memory| memory.checked_div(expert).unwrap_or(u64::MAX));
    // A node has no expert twice, so two homes need two nodes.
    let nodes_min =
        room.map(|room| homes.checked_div(room).map(|_| homes.div_ceil(room.max(1)).max(replicas)));
    Needs {
        replicas,
        expert,
        experts: homes * expert,
        node: most * expert,
        nodes_min: nodes_min.flatten(),
        fits: room.map(|room| most <= room),
    }
}

#[expect(clippy::print_stdout, reason = "what was asked for")]
pub(super) fn run(options: &PlanOptions) -> anyhow::Result<()> {
    let progress = progress::shown();
    let (folder, delivery) = open_source(&options.source, &options.delivery, None, options.dtype, &progress)?;
    let weights = WeightDtypes { experts: options.experts_dtype, trunk: options.trunk_dtype };
    let folder = folder.with_weights(weights).with_backend(BackendChoice::Cpu.open()?);
    let footprint = folder.footprint()?;
    let needs = needs(footprint, options.nodes, options.replicas, options.memory_max.map(|memory| memory.0));
    let kv_token = folder.kv_bytes_per_token(options.kv_dtype.resolve(folder.dtype));
    let kv = kv_token * options.kv_tokens_max;
    let source = delivery.as_ref().map_or_else(|| options.source.to_string(), |d| d.source().to_owned());
    let (held, stored) = match &delivery {
        Some(delivery) => delivery.held(),
        None => {
            let stored = folder.files.names().map(|name| folder.files.len(name)).sum::<Result<u64, _>>()?;
            (stored, stored)
        }
    };
    if options.json {
        let gateway = json!({"trunk": footprint.trunk, "kv": kv, "kv_token": kv_token});
        println!(
            "{:#}",
            json!({
                "model": source,
                "stored": stored,
                "held": held,
                "nodes": options.nodes,
                "experts": needs.json(),
                "gateway": gateway,
            })
        );
        return Ok(());
    }
    println!("{source}: {}", about(&folder));
    println!("  stored        {}, of which {} are here", Bytes(stored), Bytes(held));
    println!(
        "  an expert     {}; all {} of them {}",
        Bytes(needs.expert),
        footprint.experts,
        Bytes(needs.expert * footprint.experts)
    );
    println!(
        "  a node        {} of {} with every expert on {}",
        Bytes(needs.node),
        options.nodes,
        needs.replicas
    );
    println!(
        "  a gateway     {}: trunk {}, KV cache {} for {} tokens of {}",
        Bytes(footprint.trunk + kv),
        Bytes(footprint.trunk),
        Bytes(kv),
        options.kv_tokens_max,
        Bytes(kv_token)
    );
    println!(
        "  one process   {} (`conclave serve`)",
        Bytes(needs.expert * footprint.experts + footprint.trunk + kv)
    );
    match (options.memory_max, needs.fits, needs.nodes_min) {
        (Some(memory), Some(true), _) => println!("It fits: a node has {memory} for experts."),
        (Some(memory), _, Some(nodes)) => {
            println!("It does not fit: a node has {memory} for experts; {nodes} such nodes are enough.");
            println!("{}", fewer(&folder));
        }
        (Some(memory), _, None) => {
            println!("It does not fit: a node has {memory}, which is less than one expert.");
        }
        (None, ..) => {}
    }
    Ok(())
}

/// Such as `olmoe, 16 layers with 64 experts, 8 for each token, computed in bf16, experts q4`.
fn about(folder: &ModelFolder) -> String {
    let spec = &folder.spec;
    let sparse = spec.moe_layers().len();
    let mut text = format!(
        "{}, {} layers, {sparse} of them with {} experts, {} for each token, computed in {}",
        spec.family,
        spec.layers,
        spec.experts,
        spec.top_k,
        folder.dtype.name()
    );
    for (part, dtype) in [("experts", folder.weights.experts), ("trunk", folder.weights.trunk)] {
        if dtype != WeightDtype::AsStored {
            text.push_str(&format!(", {part} {dtype}"));
        }
    }
    text
}

/// What else would help.
fn fewer(folder: &ModelFolder) -> &'static str {
    match folder.weights.experts {
        WeightDtype::Q4 => "Or keep every expert once (--replicas 1), and lose some when a node dies.",
        _ => "Or quantise: --experts-dtype q8 is 8.5 bits a weight, q4 is 4.5.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Footprint = Footprint { expert: 10, experts: 64, trunk: 1000 };

    #[test]
    fn the_fullest_node_counts() {
        let found = needs(MODEL, 3, 2, None);
        assert_eq!((found.experts, found.node, found.fits, found.nodes_min), (1280, 430, None, None));
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_nodes_that_are_enough() {
        let found = needs(MODEL, 3, 2, Some(429));
        // 42 experts to a node, 128 homes.
        assert_eq!((found.fits, found.nodes_min), (Some(false), Some(4)));
        assert_eq!(needs(MODEL, 3, 2, Some(430)).fits, Some(true));
        assert_eq!(needs(MODEL, 3, 2, Some(1 << 40)).nodes_min, Some(2), "two homes are on two nodes");
        assert_eq!(needs(MODEL, 3, 2, Some(9)).nodes_min, None, "less than one expert");
    }

    #[test]
    fn one_node_has_every_expert_once() {
        let found = needs(MODEL, 1, 2, None);
        assert_eq!((found.replicas, found.node), (1, 640));
    }
}
