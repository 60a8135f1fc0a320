//! The console's table. Pure.

use crate::report::{LevelReport, Report};
use crate::stats::Distribution;
use crate::summary::DEFINITIONS;
use crate::units::short;
use std::fmt::Write;

/// Columns as wide as their widest cell; the first to the left, numbers to the right.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// Count, mean and percentiles, times `scale`.
pub(crate) fn cells(of: &Distribution, scale: f64) -> Vec<String> {
    let of = of.scaled(scale);
    let mut cells = vec![of.count.to_string()];
    cells.extend([of.mean, of.p50, of.p90, of.p95, of.p99, of.p999, of.max].map(short));
    cells
}

/// The heads of those.
pub(crate) const HEADS: [&str; 8] = ["count", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"];

/// The distributions of a level, a row each.
pub(crate) fn distributions(level: &LevelReport) -> Vec<Vec<String>> {
    let times = level.summary.times().into_iter().map(|(name, times)| (format!("{name} (ms)"), times, 1e3));
    let tokens = [
        ("prompt tokens".to_owned(), level.summary.prompt_tokens, 1.0),
        ("output tokens".to_owned(), level.summary.output_tokens, 1.0),
    ];
    let known = times.chain(tokens).filter_map(|(name, of, scale)| Some((name, of?, scale)));
    known.map(|(name, of, scale)| [vec![name], cells(&of, scale)].concat()).collect()
}

/// The rates of a level: name, value, unit.
pub(crate) fn rates(level: &LevelReport) -> Vec<[String; 3]> {
    let summary = &level.summary;
    let line = |name: &str, value: f64, unit: &str| [name.to_owned(), short(value), unit.to_owned()];
    let mut lines = vec![
        line("output", summary.output_tok_s, "tokens/s"),
        line("total", summary.total_tok_s, "tokens/s"),
        line("answered", summary.req_s, "requests/s"),
        line("scheduled", summary.scheduled_req_s, "requests/s"),
        line("sent", summary.sent_req_s, "requests/s"),
    ];
    if let Some(goodput) = summary.goodput {
        lines.push(line("goodput", goodput.req_s, "requests/s"));
        lines.push(line("goodput", goodput.tok_s, "tokens/s"));
        lines.push(line("within every limit", goodput.met_percent, "% of the requests"));
    }
    lines
}

/// The levels of a sweep, heads first.
pub(crate) fn sweep(report: &Report) -> Vec<Vec<String>> {
    let p = |of: Option<Distribution>, at: fn(&Distribution) -> f64| {
        of.map_or("-".to_owned(), |of| short(at(&of) * 1e3))
    };
    let heads = [
        "level",
        "output tok/s",
        "req/s",
        "ttft p50",
        "ttft p99",
        "itl p50",
        "itl p99",
        "e2e p50",
        "ok",
        "failed",
        "refused",
        "met %",
    ];
    let level = |level: &LevelReport| {
        let s = &level.summary;
        vec![
            level.name.clone(),
            short(s.output_tok_s),
            short(s.req_s),
            p(s.ttft, |d| d.p50),
            p(s.ttft, |d| d.p99),
            p(s.itl, |d| d.p50),
            p(s.itl, |d| d.p99),
            p(s.e2e, |d| d.p50),
            s.counts.ok.to_string(),
            s.counts.failed.to_string(),
            s.counts.refused.to_string(),
            s.goodput.map_or("-".to_owned(), |good| format!("{:.1}", good.met_percent)),
        ]
    };
    std::iter::once(row(&heads)).chain(report.levels.iter().map(level)).collect()
}

/// What each fault cost, heads first.
pub(crate) fn faults(report: &Report) -> Vec<Vec<String>> {
    let heads = [
        "fault",
        "at (s)",
        "in flight or sent",
        "lost",
        "refused",
        "longest stall (ms)",
        "lowest second",
        "back to 95 % after (s)",
    ];
    let one = |cost: &crate::fault::Cost| {
        let share = cost.lowest_share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0));
        vec![
            cost.event.label.clone(),
            format!("{:.2}", cost.event.at_s),
            cost.touched.to_string(),
            cost.lost.to_string(),
            cost.refused.to_string(),
            cost.longest_stall_s.map_or("-".to_owned(), |stall| short(stall * 1e3)),
            share,
            cost.recovered_after_s.map_or("not seen".to_owned(), |after| format!("{after:.2}")),
        ]
    };
    std::iter::once(row(&heads)).chain(report.faults.iter().map(one)).collect()
}

/// The figures beside the baseline's, heads first.
pub(crate) fn baseline(report: &Report) -> Vec<Vec<String>> {
    let one = |compared: &crate::baseline::Compared| {
        vec![
            format!("{} ({})", compared.name, compared.unit),
            short(compared.now),
            compared.before.map_or("-".to_owned(), short),
            compared.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
            compared.verdict.name().to_owned(),
        ]
    };
    let heads = row(&["figure", "now", "before", "now/before", ""]);
    std::iter::once(heads).chain(report.compared.iter().flatten().map(one)).collect()
}

/// What went wrong in a level.
fn trouble(out: &mut String, level: &LevelReport) {
    let summary = &level.summary;
    for group in &summary.failures {
        let failure = &group.first;
        let _ = writeln!(
            out,
            "failed  {:>6} x {} {}: {}",
            group.count,
            failure.kind.name(),
            failure.code,
            failure.message
        );
    }
    if let Some(refused) = &summary.refused {
        let latency = refused.latency_s.scaled(1e3);
        let after = refused.retry_after_s.map_or("without Retry-After".to_owned(), |after| {
            format!("Retry-After p50 {} s", short(after.p50))
        });
        let _ = writeln!(
            out,
            "refused {:>6} x, after p50 {} ms, p99 {} ms; {after}",
            refused.count,
            short(latency.p50),
            short(latency.p99)
        );
    }
}

/// Everything, for people.
pub(crate) fn text(report: &Report) -> String {
    let mut out = String::new();
    let settings = report.settings.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        vec![format!("{name:12}"), value]
    });
    // Writing to a string cannot fail.
    settings.for_each(|line| {
        let _ = writeln!(out, "{} {}", line[0], line[1]);
    });
    if report.is_sweep {
        let _ = write!(out, "\n{}", align(&sweep(report)));
        if let Some(stopped) = &report.stopped {
            let _ = writeln!(out, "stopped: {stopped}");
        }
        if let Some(level) = report.last_good_level() {
            let share = report.slo_share.unwrap_or(99.0);
            let _ = writeln!(out, "the last level of which {share} % met --slo: {}", level.name);
        }
    }
    for level in &report.levels {
        if report.is_sweep {
            trouble(&mut out, level);
            continue;
        }
        let counts = level.summary.counts;
        let window = level.summary.window;
        let _ = writeln!(
            out,
            "\nmeasured {:.1} s to {:.1} s: {} ok, {} failed, {} refused, {} cancelled, {} unfinished\n",
            window.from_s,
            window.to_s,
            counts.ok,
            counts.failed,
            counts.refused,
            counts.cancelled,
            counts.unfinished
        );
        for [name, value, unit] in rates(level) {
            let _ = writeln!(out, "{name:20} {value:>10} {unit}");
        }
        let heads = [&[""], &HEADS[..]].concat();
        let rows: Vec<Vec<String>> = std::iter::once(row(&heads)).chain(distributions(level)).collect();
        let _ = write!(out, "\n{}", align(&rows));
        trouble(&mut out, level);
    }
    if !report.faults.is_empty() {
        let _ = write!(out, "\n{}", align(&faults(report)));
        for cost in &report.faults {
            if let Some(problem) = &cost.event.problem {
                let _ = writeln!(out, "{} did not take place: {problem}", cost.event.label);
            }
        }
    }
    if report.compared.is_some() {
        let _ = write!(out, "\n{}", align(&baseline(report)));
    }
    let _ = writeln!(out, "\ngenerator: {}", report.generator.text());
    report.notes.iter().for_each(|note| {
        let _ = writeln!(out, "note: {note}");
    });
    let names = DEFINITIONS.iter().map(|(name, text)| format!("  {name:13} {text}\n"));
    let _ = write!(out, "\n{}", names.collect::<String>());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::made::report;

    #[test]
    fn the_table_has_every_figure_with_its_unit() {
        let text = text(&report());
        for part in [
            "20 ok, 1 failed",
            "tokens/s",
            "goodput",
            "ttft (ms)",
            "p99.9",
            "1 x http 500 internal",
            "kill node-1",
            "generator: 0.10 s of CPU",
            "note: a note",
            "scheduled send",
        ] {
            assert!(text.contains(part), "`{part}` is missing in\n{text}");
        }
    }

    #[test]
    fn a_sweep_is_a_line_a_level() {
        let mut report = report();
        report.is_sweep = true;
        report.stopped = Some("enough".to_owned());
        let text = text(&report);
        assert!(
            text.contains("stopped: enough") && text.lines().any(|line| line.starts_with("users=1 ")),
            "{text}"
        );
    }
}
