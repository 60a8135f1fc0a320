//! `conclave eval`: how well a model knows a text, and what computing it in a narrower dtype changes.
//!
//! Keeps true: the logits are those that serve. Each window of the text is read by itself from its first
//! token; every token but the first of a window is scored, by what came before it in the window.

mod logits_file;
mod score;

use crate::model::ModelOptions;
use crate::process::check;
use crate::whole::{Way, Whole, blocks};
use anyhow::{Context, bail};
use conclave_expert::Lane;
use conclave_gateway::RowsDtype;
use conclave_gateway::text::TextCodec;
use conclave_model::{BackendChoice, DtypeChoice, KvDtypeChoice, StepSequence};
use logits_file::LogitsFile;
use score::{Difference, Score};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rows that are read at once, since the logits of all are held: with a large vocabulary they outweigh everything else.
const ROWS_MAX: usize = 256;

/// Settings of `conclave eval`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct EvalOptions {
    #[command(flatten)]
    model: ModelOptions,
    /// What keys and values are stored in: auto (f32 for models computed in f32, else bf16), f32, bf16 or q8.
    #[arg(long, env = "CONCLAVE_KV_DTYPE", default_value = "auto")]
    kv_dtype: KvDtypeChoice,
    /// What rows are rounded to on their way to the experts and back: auto or q8. Not in the reference.
    #[arg(long, env = "CONCLAVE_ROWS_DTYPE", default_value = "auto")]
    rows_dtype: RowsDtype,
    /// The text, in UTF-8; default: heldout.txt of the model folder.
    #[arg(long)]
    text: Option<PathBuf>,
    /// Tokens that are read as one context. Unit: tokens. Range: 2..=1048576.
    #[arg(long, default_value_t = 256)]
    window: usize,
    /// What ends a document in the text, such as `<|endoftext|>`: a window then begins where a document does. Models that
    /// were trained on whole documents are lost where one begins in the middle. Default: the text is one document.
    #[arg(long)]
    document_end: Option<String>,
    /// Read so many tokens of the text at most; default: all. Unit: tokens. Range: 2 or more.
    #[arg(long)]
    tokens_max: Option<usize>,
    /// Load the model a second time, all of it in this dtype, and compare: auto, f32 or bf16.
    #[arg(long)]
    reference_dtype: Option<DtypeChoice>,
    /// Load the model a second time on this backend, and compare: cpu, candle, cuda or metal. Without --reference-dtype in
    /// the same forms.
    #[arg(long)]
    reference_backend: Option<BackendChoice>,
    /// Write logits to this file for `llama-perplexity --kl-divergence --kl-divergence-base FILE`, which then says how far
    /// llama.cpp is from them on the same tokens. All windows are full; what a document has left after one is not read.
    #[arg(long)]
    write_logits: Option<PathBuf>,
    /// Write the figures as JSON to this file; `-`: to the standard output, in place of the text.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl EvalOptions {
    /// What to compare with, if with anything.
    fn reference(&self) -> Option<(ModelOptions, KvDtypeChoice, RowsDtype)> {
        let (model, kv, rows) = match (self.reference_dtype, self.reference_backend) {
            (None, None) => return None,
            (None, Some(_)) => (self.model.clone(), self.kv_dtype, self.rows_dtype),
            (Some(dtype), _) => (self.model.all_in(dtype), KvDtypeChoice::Auto, RowsDtype::Auto),
        };
        Some((self.reference_backend.map_or(model.clone(), |backend| model.on(backend)), kv, rows))
    }

    /// Every problem at once.
    fn validate(&self) -> Vec<String> {
        let mut problems = self.model.validate();
        if !(2..=1 << 20).contains(&self.window) {
            problems.push(format!("window is {}; it can be 2 to 1048576", self.window));
        }
        if self.document_end.as_ref().is_some_and(String::is_empty) {
            problems.push("document_end is empty; leave it out if the text is one document".to_owned());
        }
        if self.tokens_max.is_some_and(|tokens| tokens < 2) {
            problems.push("tokens_max is below 2; it can be 2 or more".to_owned());
        }
        problems
    }
}

pub(crate) fn run(options: &EvalOptions) -> anyhow::Result<()> {
    check([options.validate()])?;
    let folder = options.model.open()?;
    let path = options.text.clone().unwrap_or_else(|| folder.path.join("heldout.txt"));
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("read {}; --text names another file", path.display()))?;
    if options.window > folder.spec.context_max {
        bail!("window is {}, but the model's context is {}", options.window, folder.spec.context_max);
    }
    let codec = TextCodec::load(&folder.path, folder.spec.vocab as u32)?;
    let documents: Vec<&str> = match &options.document_end {
        Some(end) => text.split_inclusive(end.as_str()).collect(),
        None => vec![&text],
    };
    let encode =
        |document: &&str| anyhow::Ok(codec.encode_prompt(document)?.into_iter().map(|t| t.0).collect());
    let documents: Vec<Vec<u32>> = documents.iter().map(encode).collect::<anyhow::Result<_>>()?;
    let cut = if options.write_logits.is_some() { full_windows } else { windows };
    let windows = cut(&documents, options.window, options.tokens_max.unwrap_or(usize::MAX));
    if windows.iter().all(|window| window.len() < 2) {
        bail!("{} has no two tokens in one window; at least 2 are needed to score one", path.display());
    }
    let load = |model: &ModelOptions, kv, rows| {
        let way = Way { rows, ..Way::default() };
        Whole::load(model, model.open()?, blocks(options.window), kv, way)
    };
    let mut whole = load(&options.model, options.kv_dtype, options.rows_dtype)?;
    let mut reference = match options.reference() {
        Some((model, kv, rows)) => Some(load(&model, kv, rows)?),
        None => None,
    };
    let logits = match &options.write_logits {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("write {}", path.display()))?;
            Some(LogitsFile::begin(BufWriter::new(file), whole.folder.spec.vocab, &windows)?)
        }
        None => None,
    };
    let found = evaluate(&mut whole, reference.as_mut(), &windows, logits)?;
    let report = found.json(options, &whole, reference.as_ref());
    match options.json.as_deref() {
        Some(path) if path == Path::new("-") => writeln!(std::io::stdout().lock(), "{report:#}")?,
        file => {
            write!(std::io::stdout().lock(), "{}", found.text(&path, &whole, reference.as_ref()))?;
            if let Some(file) = file {
                std::fs::write(file, format!("{report:#}\n"))
                    .with_context(|| format!("write {}", file.display()))?;
            }
        }
    }
    Ok(())
}

/// What was found about a text.
#[derive(Clone, Debug, Default, PartialEq)]
struct Evaluation {
    score: Score,
    /// The reference's score and how far the two are apart.
    against: Option<(Score, Difference)>,
}

/// At most `tokens_max` tokens of `documents` as windows of at most `window`: as many whole documents as fit, one that is
/// longer in parts.
fn windows(documents: &[Vec<u32>], window: usize, tokens_max: usize) -> Vec<Vec<u32>> {
    let mut windows: Vec<Vec<u32>> = vec![Vec::new()];
    let mut left = tokens_max;
    for document in documents {
        let document = &document[..document.len().min(left)];
        left -= document.len();
        for part in document.chunks(window) {
            match windows.last_mut() {
                Some(last) if part.len() == document.len() && last.len() + part.len() <= window => {
                    last.extend(part);
                }
                _ => windows.push(part.to_vec()),
            }
        }
    }
    windows
}

/// Like [`windows`], but all are full: a document goes on until its window is, and the next window begins with the next one.
fn full_windows(documents: &[Vec<u32>], window: usize, tokens_max: usize) -> Vec<Vec<u32>> {
    let mut windows = Vec::new();
    let mut open = Vec::new();
    for document in documents {
        open.extend(document.iter().take(window - open.len()));
        if open.len() == window {
            windows.push(std::mem::take(&mut open));
        }
    }
    windows.truncate(tokens_max / window);
    windows
}

/// Reads window by window with the model and, where there is one, the reference; the model's logits also go to `file`.
fn evaluate(
    whole: &mut Whole,
    mut reference: Option<&mut Whole>,
    windows: &[Vec<u32>],
    mut file: Option<LogitsFile<BufWriter<File>>>,
) -> anyhow::Result<Evaluation> {
    let mut score = Score::default();
    let mut against = reference.is_some().then(<(Score, Difference)>::default);
    let vocab = whole.folder.spec.vocab;
    for window in windows.iter().filter(|window| window.len() > 1) {
        // The last token of a window is only asked for, never read.
        let (read, asked) = (&window[..window.len() - 1], &window[1..]);
        let block_table: Vec<u32> = (0..blocks(read.len()) as u32).collect();
        for (chunk, (read, asked)) in read.chunks(ROWS_MAX).zip(asked.chunks(ROWS_MAX)).enumerate() {
            let start = chunk * ROWS_MAX;
            let all: Vec<usize> = (0..read.len()).collect();
            let pass = |whole: &mut Whole| {
                let sequence = StepSequence { start, len: read.len(), block_table: block_table.clone() };
                (whole.forward)(read, &[sequence], Lane::Prefill, &all)
            };
            let logits = pass(whole)?;
            for ((logits, asked), row) in logits.chunks_exact(vocab).zip(asked).zip(start..) {
                score.add(logits, *asked);
                if let Some(file) = &mut file {
                    file.add(row, logits).context("write the logits")?;
                }
            }
            if let (Some(reference), Some((theirs, difference))) = (&mut reference, &mut against) {
                let expected = pass(reference)?;
                let both = expected.chunks_exact(vocab).zip(logits.chunks_exact(vocab)).zip(asked);
                for ((expected, logits), asked) in both {
                    theirs.add(expected, *asked);
                    difference.add(expected, logits);
                }
            }
        }
    }
    if let Some(file) = file {
        file.end().context("write the logits")?;
    }
    Ok(Evaluation { score, against })
}

impl Evaluation {
    fn json(&self, options: &EvalOptions, whole: &Whole, reference: Option<&Whole>) -> Value {
        let score = |score: &Score, whole: &Whole| {
            json!({
                "form": whole.form(), "digest": whole.digest.short(),
                "nll": score.nll(), "perplexity": score.perplexity(),
            })
        };
        let mut report = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "model": whole.folder.name(), "window": options.window, "tokens_scored": self.score.tokens(),
            "tested": score(&self.score, whole),
        });
        if let (Some((theirs, difference)), Some(reference)) = (&self.against, reference) {
            report["reference"] = score(theirs, reference);
            report["greedy_agreement"] = json!(difference.agreement());
            report["kl_divergence_mean"] = json!(difference.kl());
            report["kl_divergence_max"] = json!(difference.kl_max());
            report["logit_difference_max"] = json!(difference.logit_max());
        }
        report
    }

    fn text(&self, path: &Path, whole: &Whole, reference: Option<&Whole>) -> String {
        let line = |score: &Score, whole: &Whole| {
            format!("{:>10.5}  {:>10.4}  {}\n", score.nll(), score.perplexity(), whole.form())
        };
        let mut text = format!(
            "{} on {}: {} tokens scored\n\n nll, nats  perplexity  computed in\n",
            whole.folder.name(),
            path.display(),
            self.score.tokens()
        );
        text.push_str(&line(&self.score, whole));
        if let (Some((theirs, difference)), Some(reference)) = (&self.against, reference) {
            text.push_str(&line(theirs, reference));
            text.push_str(&format!(
                "\nagainst {}: greedy choice equal {:.2} %, KL divergence {:.3e} nats in the mean and {:.3e} at most, \
                 largest logit difference {:.4}\n",
                reference.form(),
                difference.agreement() * 100.0,
                difference.kl(),
                difference.kl_max(),
                difference.logit_max()
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        model: ModelOptions,
    }

    #[derive(Parser)]
    struct EvalFlags {
        #[command(flatten)]
        eval: EvalOptions,
    }

    struct Golden {
        folder: PathBuf,
        model: ModelOptions,
        prompt: Vec<u32>,
        logits: Vec<f32>,
    }

    /// A golden checkpoint and what transformers computed from it.
    fn golden(case: &str) -> Golden {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(case);
        let flags = Flags::parse_from(["eval", "--dtype", "f32", "--model", folder.to_str().unwrap()]);
        let expected = std::fs::read(folder.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let prompt = expected["prompt"].as_array().unwrap().iter();
        let bytes = std::fs::read(folder.join("expected.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let logits = tensors.tensor("logits").unwrap().data().chunks_exact(4);
        Golden {
            folder,
            model: flags.model,
            prompt: prompt.map(|id| id.as_u64().unwrap() as u32).collect(),
            logits: logits.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
        }
    }

    fn one(document: &[u32], window: usize) -> Vec<Vec<u32>> {
        windows(&[document.to_vec()], window, usize::MAX)
    }

    #[test]
    fn a_window_has_whole_documents_unless_one_is_longer() {
        let documents = [vec![1, 2], vec![3], vec![4, 5], vec![6, 7, 8, 9, 10, 11], vec![12]];
        let cut = |tokens_max| windows(&documents, 4, tokens_max);
        let all = [vec![1, 2, 3], vec![4, 5], vec![6, 7, 8, 9], vec![10, 11, 12]];
        assert_eq!(cut(usize::MAX), all);
        assert_eq!(cut(4), [vec![1, 2, 3, 4]], "the last one is cut short");
        assert_eq!(one(&[1, 2, 3, 4, 5], 2), [vec![], vec![1, 2], vec![3, 4], vec![5]]);
    }

    #[test]
    fn full_windows_begin_where_documents_do_and_end_where_they_are_full() {
        let documents = [vec![1, 2, 3], vec![4, 5], vec![6, 7, 8, 9, 10, 11], vec![12, 13, 14]];
        let cut = |tokens_max| full_windows(&documents, 4, tokens_max);
        assert_eq!(cut(usize::MAX), [[1, 2, 3, 4], [6, 7, 8, 9]]);
        assert_eq!(cut(7), [[1, 2, 3, 4]]);
    }

    fn load(model: &ModelOptions) -> Whole {
        Whole::load(model, model.open().unwrap(), blocks(64), KvDtypeChoice::Auto, Way::default()).unwrap()
    }

    #[test]
    fn the_score_is_that_of_the_logits_of_transformers() {
        let golden = golden("olmoe/held_out");
        let mut whole = load(&golden.model);
        let found = evaluate(&mut whole, None, &one(&golden.prompt, 24), None).unwrap().score;
        let rows = golden.logits.chunks_exact(whole.folder.spec.vocab);
        let losses: Vec<f64> = rows
            .zip(&golden.prompt[1..])
            .map(|(row, next)| {
                let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
                sum.ln() - f64::from(row[*next as usize])
            })
            .collect();
        let expected = losses.iter().sum::<f64>() / losses.len() as f64;
        assert_eq!((losses.len(), found.tokens()), (23, 23));
        assert!((found.nll() - expected).abs() < 1e-4 * expected, "{} is not {expected}", found.nll());
        assert!((found.perplexity() - expected.exp()).abs() < 1e-3 * expected.exp());
    }

    #[test]
    fn windows_are_read_apart_and_a_last_token_alone_is_left_out() {
        let golden = golden("qwen3_moe/tied");
        let mut whole = load(&golden.model);
        let mut nll = |tokens: &[u32]| evaluate(&mut whole, None, &one(tokens, 8), None).unwrap().score;
        let parts = [nll(&golden.prompt[..8]), nll(&golden.prompt[8..16])];
        let both = nll(&golden.prompt[..17]);
        assert_eq!(both.tokens(), 14);
        assert!((both.nll() - (parts[0].nll() + parts[1].nll()) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn both_backends_compute_one_model_with_its_experts_in_any_form() {
        let golden = golden("qwen3_moe/untied_dense_layer");
        for dtype in ["auto", "q8", "q4"] {
            let folder = golden.folder.to_str().unwrap();
            let forms = ["--dtype", "f32", "--experts-dtype", dtype, "--trunk-dtype", dtype];
            let flags = [&["eval", "--model", folder, "--reference-backend", "candle"], &forms[..]].concat();
            let options = EvalFlags::parse_from(flags).eval;
            let (theirs, kv, rows) = options.reference().unwrap();
            let load = |model: &ModelOptions| {
                let way = Way { rows, ..Way::default() };
                Whole::load(model, model.open().unwrap(), blocks(64), kv, way).unwrap()
            };
            let (mut ours, mut theirs) = (load(&options.model), load(&theirs));
            assert_eq!(theirs.form(), format!("{}, on candle", ours.form()));
            let windows = one(&golden.prompt, 24);
            let (_, difference) =
                evaluate(&mut ours, Some(&mut theirs), &windows, None).unwrap().against.unwrap();
            // Not 0: the order of additions is another.
            assert!((1e-9..1e-3).contains(&difference.logit_max()), "{dtype}: {difference:?}");
            assert_eq!(difference.agreement(), 1.0, "{dtype}");
        }
    }

    #[test]
    fn a_model_against_itself_differs_in_nothing_and_against_bf16_in_little() {
        let golden = golden("mixtral/sliding");
        let (mut first, mut second) = (load(&golden.model), load(&golden.model));
        let same = evaluate(&mut first, Some(&mut second), &one(&golden.prompt, 24), None).unwrap();
        let (theirs, difference) = same.against.unwrap();
        assert_eq!(theirs, same.score);
        assert_eq!((difference.agreement(), difference.kl_max(), difference.logit_max()), (1.0, 0.0, 0.0));
        let mut narrow = load(&golden.model.all_in(DtypeChoice::Bf16));
        let (_, difference) = evaluate(&mut narrow, Some(&mut second), &one(&golden.prompt, 24), None)
            .unwrap()
            .against
            .unwrap();
        assert!(
            difference.logit_max() > 0.0 && difference.kl() > 0.0 && difference.kl() < 1.0,
            "{difference:?}"
        );
    }
}
