//! Which spans are exported.
//!
//! Keeps true: a request that is exported is so whole, with every step that serves it and what nodes did for that; what serves
//! nobody's trace is not.

use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};

/// As whoever is above decides; else, as those whom it concerns; of what is nobody's else, a share.
#[derive(Clone, Debug)]
pub(crate) struct Sampling(Sampler);

impl Sampling {
    /// - `share`: 0 to 1.
    pub(crate) fn of(share: f64) -> Self {
        Self(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
    }
}

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        above: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let concerns = links.iter().any(|link| link.span_context.is_sampled());
        let sampler = if concerns { &Sampler::AlwaysOn } else { &self.0 };
        sampler.should_sample(above, trace, name, kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceState};
    use opentelemetry_sdk::trace::SamplingDecision;

    fn place(sampled: bool) -> SpanContext {
        let flags = TraceFlags::default().with_sampled(sampled);
        SpanContext::new(TraceId::from(7), SpanId::from(9), flags, true, TraceState::default())
    }

    /// Whether a span is seen of which `share` are, below and concerning such as these.
    fn seen(share: f64, above: Option<bool>, concerns: &[bool]) -> bool {
        let above = above.map(|sampled| Context::new().with_remote_span_context(place(sampled)));
        let links: Vec<Link> = concerns.iter().map(|sampled| Link::with_context(place(*sampled))).collect();
        let sampling = Sampling::of(share);
        let result = sampling.should_sample(
            above.as_ref(),
            TraceId::from(7),
            "step",
            &SpanKind::Internal,
            &[],
            &links,
        );
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn a_step_is_seen_if_one_of_its_requests_is() {
        assert!(seen(0.0, None, &[false, true]));
        assert!(!seen(0.0, None, &[false, false]));
    }

    #[test]
    fn whoever_is_above_decides_and_of_the_rest_a_share_is_seen() {
        for share in [0.0, 1.0] {
            assert!(seen(share, Some(true), &[]));
            assert!(!seen(share, Some(false), &[]));
        }
        assert!(seen(1.0, None, &[]));
        assert!(!seen(0.0, None, &[]));
    }
}
