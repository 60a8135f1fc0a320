//! The page: tables and charts in one file that needs nothing else. Pure.

use crate::record::Record;
use crate::report::{LevelReport, Report};
use crate::stats::quantile;
use crate::summary::DEFINITIONS;
use crate::svg::{Axis, Chart, escape};
use crate::table;
use std::fmt::Write;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5c6775;--line:#d9dee5;--back:#fff;--s0:#1f6fd1;--s1:#c2541b;
--s2:#23874b;--s3:#8a3fb5;--bad:#c0243c}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa5b4;--line:#333c48;--back:#14181e;--s0:#6cb0ff;
--s1:#ff9f66;--s2:#62cf8e;--s3:#cf9cf0;--bad:#ff7b8d}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:960px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}tr:first-child th{white-space:normal;vertical-align:bottom}td.text{text-align:left;white-space:normal}
figure{margin:1rem 0}figcaption{font-weight:600}.name{font-weight:400;margin-left:.6rem}
svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--soft)}.grid{stroke:var(--line)}
.line{fill:none;stroke:currentColor;stroke-width:1.8}.dots{fill:none;stroke:currentColor;stroke-width:3;stroke-linecap:round;opacity:.55}
line.mark{stroke:var(--bad);stroke-dasharray:4 3}svg text.mark{fill:var(--bad)}
.s0{color:var(--s0)}.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}.better{color:var(--s2)}.worse{color:var(--bad)}
";

/// A table with a head; the first cell of each row is its head.
fn rows(out: &mut String, caption: &str, rows: &[Vec<String>]) {
    let Some((head, body)) = rows.split_first() else { return };
    // Writing to a string cannot fail.
    let _ = write!(out, "<h2>{}</h2><div class=wide><table><thead><tr>", escape(caption));
    head.iter().for_each(|cell| {
        let _ = write!(out, "<th scope=col>{}</th>", escape(cell));
    });
    out.push_str("</tr></thead><tbody>\n");
    for row in body {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let class = if ["better", "worse"].contains(&cell.as_str()) { cell.as_str() } else { "n" };
            let _ = match column {
                0 => write!(out, "<th scope=row>{}</th>", escape(cell)),
                _ => write!(out, "<td class={class}>{}</td>", escape(cell)),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn strings(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// Output tokens of each second from `begin_s` on.
fn per_second(records: &[Record], begin_s: f64, end_s: f64) -> Vec<(f64, f64)> {
    let seconds = (end_s - begin_s).ceil().clamp(1.0, 1e6) as usize;
    let mut buckets = vec![0.0; seconds];
    for record in records {
        let weight = record.tokens_per_chunk();
        for at in &record.arrivals_s {
            if let Some(bucket) = buckets.get_mut((at - begin_s).max(0.0) as usize) {
                *bucket += weight;
            }
        }
    }
    // A last second that is not whole would look like a fall.
    let whole = (end_s - begin_s).floor().max(1.0) as usize;
    buckets.truncate(whole);
    buckets.iter().enumerate().map(|(second, tokens)| (begin_s + second as f64 + 0.5, *tokens)).collect()
}

/// The distribution function of the values, as a line of at most 200 pieces.
fn cumulative(mut values: Vec<f64>) -> Vec<(f64, f64)> {
    if values.is_empty() {
        return Vec::new();
    }
    values.sort_by(f64::total_cmp);
    (0..=200).map(|n| f64::from(n) / 200.0).map(|share| (quantile(&values, share), share * 100.0)).collect()
}

fn over_time(out: &mut String, report: &Report) {
    let begin = report.levels.first().map_or(0.0, |level| level.begin_s);
    let end = report.levels.last().map_or(0.0, |level| level.end_s);
    let time = Axis::linear(begin, [end]);
    let marks = |chart: &mut Chart| {
        report.faults.iter().for_each(|cost| chart.mark(cost.event.at_s, &cost.event.label));
        let later = report.levels.iter().filter(|_| report.is_sweep);
        later.for_each(|level| chart.mark(level.begin_s, &level.name));
    };
    let seconds = per_second(&report.records, begin, end);
    let most = Axis::linear(0.0, seconds.iter().map(|(_, tokens)| *tokens));
    let mut chart =
        Chart::new("Output tokens a second", "seconds since the test began", time, "tokens/s", most);
    chart.line("tokens/s", &seconds);
    marks(&mut chart);
    out.push_str(&chart.html());

    let ttft =
        || report.records.iter().filter_map(|record| Some((record.first_s()?, record.ttft_s()? * 1e3)));
    let ms = Axis::log(ttft().map(|(_, ms)| ms));
    let mut chart = Chart::new("Time to the first token", "seconds, when it came", time, "ms", ms);
    chart.dots("TTFT", ttft());
    marks(&mut chart);
    out.push_str(&chart.html());

    let itl = || {
        report.records.iter().flat_map(|record| {
            record
                .arrivals_s
                .windows(2)
                .map(|pair| (pair[1], (pair[1] - pair[0]) * 1e3))
                .filter(|(_, ms)| *ms > 0.0)
        })
    };
    // Gaps within one read are no time that could be seen on such a scale.
    let ms = Axis::log(itl().map(|(_, ms)| ms.max(0.01)));
    let mut chart = Chart::new("Gaps between tokens", "seconds, when they ended", time, "ms", ms);
    chart.dots("ITL", itl());
    marks(&mut chart);
    out.push_str(&chart.html());

    let table =
        seconds.iter().map(|(at, tokens)| format!("<tr><th scope=row>{:.0}<td>{tokens:.0}", at - 0.5));
    let _ = writeln!(
        out,
        "<details><summary>Output tokens of each second as a table</summary><table><tr><th scope=col>from second\
         <th scope=col>tokens{}</table></details>",
        table.collect::<String>()
    );
}

fn distribution(out: &mut String, report: &Report) {
    let ok = || report.records.iter().filter(|record| record.is_ok());
    let series = [
        ("ITL", cumulative(ok().flat_map(Record::itl_s).map(|s| s * 1e3).collect())),
        ("TTFT", cumulative(ok().filter_map(Record::ttft_s).map(|s| s * 1e3).collect())),
        ("E2E", cumulative(ok().map(|record| record.e2e_s() * 1e3).collect())),
    ];
    let values = series.iter().flat_map(|(_, line)| line).map(|(ms, _)| ms.max(0.01));
    let mut chart = Chart::new(
        "Latency: how many are within",
        "ms",
        Axis::log(values),
        "%",
        Axis::Linear { from: 0.0, to: 100.0 },
    );
    series.iter().filter(|(_, line)| !line.is_empty()).for_each(|(name, line)| chart.line(name, line));
    out.push_str(&chart.html());
}

fn sweep(out: &mut String, levels: &[LevelReport]) {
    type Pick = fn(&LevelReport) -> Option<f64>;
    let charts: [(&str, Pick, Pick); 2] = [
        (
            "Throughput and time to the first token",
            |l| Some(l.summary.ttft?.p50),
            |l| Some(l.summary.ttft?.p99),
        ),
        ("Throughput and gaps between tokens", |l| Some(l.summary.itl?.p50), |l| Some(l.summary.itl?.p99)),
    ];
    for (title, median, high) in charts {
        let line = |pick: Pick| -> Vec<(f64, f64)> {
            levels.iter().filter_map(|level| Some((level.summary.output_tok_s, pick(level)? * 1e3))).collect()
        };
        let (medians, highs) = (line(median), line(high));
        let x = Axis::linear(0.0, medians.iter().map(|(x, _)| *x));
        let y = Axis::log(medians.iter().chain(&highs).map(|(_, y)| *y));
        let mut chart = Chart::new(title, "output tokens/s", x, "ms", y);
        chart.line("p50", &medians);
        chart.line("p99", &highs);
        for level in levels {
            if let Some(ms) = median(level) {
                chart.label(level.summary.output_tok_s, ms * 1e3, &level.name);
            }
        }
        out.push_str(&chart.html());
    }
}

fn failures(report: &Report) -> Vec<Vec<String>> {
    let heads = strings(&["failure", "count", "code", "message"]);
    let groups = report.levels.iter().flat_map(|level| &level.summary.failures).map(|group| {
        let failure = &group.first;
        vec![
            failure.kind.name().to_owned(),
            group.count.to_string(),
            failure.code.clone(),
            failure.message.clone(),
        ]
    });
    let refused = report.levels.iter().filter_map(|level| level.summary.refused).map(|refused| {
        let p50 = crate::units::short(refused.latency_s.p50 * 1e3);
        vec![
            "refused".to_owned(),
            refused.count.to_string(),
            "429 or 503".to_owned(),
            format!("after p50 {p50} ms"),
        ]
    });
    std::iter::once(heads).chain(groups).chain(refused).collect()
}

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\"><title>Load test</title><style>{STYLE}</style>\
         </head><body>\n<h1>Load test</h1>\n"
    );
    let settings = report.settings.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("<tr><th scope=row>{}</th><td class=text>{}</td></tr>\n", escape(name), escape(&value))
    });
    let _ = writeln!(out, "<div class=wide><table>{}</table></div>", settings.collect::<String>());
    report.notes.iter().for_each(|note| {
        let _ = write!(out, "<p><strong>Note:</strong> {}</p>", escape(note));
    });
    if report.is_sweep {
        rows(&mut out, "Levels (times in ms)", &table::sweep(report));
        if let Some(stopped) = &report.stopped {
            let _ = write!(out, "<p>Stopped: {}.</p>", escape(stopped));
        }
        sweep(&mut out, &report.levels);
    } else if let Some(level) = report.levels.first() {
        let counts = level.summary.counts;
        let mut rates = vec![strings(&["rate", "value", "unit"])];
        rates.extend(table::rates(level).into_iter().map(Vec::from));
        rows(&mut out, "Rates", &rates);
        let _ = write!(
            out,
            "<p>{} requests ok, {} failed, {} refused, {} cancelled, {} unfinished.</p>",
            counts.ok, counts.failed, counts.refused, counts.cancelled, counts.unfinished
        );
        let mut times = vec![strings(&[&["figure"], &table::HEADS[..]].concat())];
        times.extend(table::distributions(level));
        rows(&mut out, "Distributions", &times);
    }
    if !report.faults.is_empty() {
        rows(&mut out, "Faults", &table::faults(report));
    }
    let failures = failures(report);
    if failures.len() > 1 {
        rows(&mut out, "Failures", &failures);
    }
    if report.compared.is_some() {
        rows(&mut out, "Against the baseline", &table::baseline(report));
    }
    out.push_str("<h2>Charts</h2>\n");
    over_time(&mut out, report);
    distribution(&mut out, report);
    let _ = write!(out, "<p>Generator: {}.</p>", escape(&report.generator.text()));
    let definitions = DEFINITIONS.iter().map(|(name, text)| {
        format!("<tr><th scope=row>{name}</th><td class=text>{}</td></tr>\n", escape(text))
    });
    let _ = writeln!(
        out,
        "<h2>Definitions</h2><div class=wide><table>{}</table></div></body></html>",
        definitions.collect::<String>()
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::made::report;

    #[test]
    fn the_page_refers_to_nothing_outside_itself() {
        let page = page(&report());
        for outside in ["src=", "href=", "url(", "@import", "<script", "<link", "<iframe", "xmlns"] {
            assert!(!page.contains(outside), "{outside}");
        }
        // The one address is the measured server's, as text.
        assert_eq!(page.matches("http://").count(), 1);
    }

    #[test]
    fn it_has_charts_tables_faults_and_both_kinds_of_light() {
        let page = page(&report());
        assert_eq!(page.matches("<svg role=img aria-label=").count(), 4);
        for part in [
            "prefers-color-scheme:dark",
            "kill node-1",
            "as a table",
            "goodput",
            "a &lt;b&gt; &quot;broken&quot; thing",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn a_sweep_has_its_curves() {
        let mut report = report();
        report.is_sweep = true;
        assert_eq!(page(&report).matches("<svg").count(), 6);
    }

    #[test]
    fn tokens_are_counted_in_the_second_they_came() {
        let records = [crate::record::made::answered(0, 0.0, &[0.2, 0.9, 1.1, 2.5])];
        assert_eq!(per_second(&records, 0.0, 2.0), [(0.5, 2.0), (1.5, 1.0)]);
    }
}
