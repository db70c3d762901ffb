//! Prometheus' text format, version 0.0.4: families of samples, each family once and whole.

use std::fmt::{Display, Write as _};

use rpc::HistogramReading;

/// Of this format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// A page in the making.
#[derive(Default)]
pub(in crate::serve) struct Exposition(String);

/// What a family's figures are.
#[derive(Clone, Copy)]
pub(in crate::serve) enum Kind {
    /// It only grows, from the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations by bucket.
    Histogram,
}

/// The family being written.
pub(in crate::serve) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a family; its samples follow by the handle.
    pub(in crate::serve) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _infallible = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family {
            text: &mut self.0,
            name,
        }
    }

    /// A counter without labels.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, help).sample(&[], value);
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help).sample(&[], value);
    }

    /// The page.
    pub(in crate::serve) fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// One figure. Label values may hold any character.
    pub(in crate::serve) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, value);
    }

    /// One histogram: its buckets, its sum, its count.
    pub(super) fn histogram(&mut self, labels: &[(&str, &str)], reading: &HistogramReading) {
        let mut count = 0;
        for (bound, below) in &reading.buckets {
            let bound = match bound.is_finite() {
                true => bound.to_string(),
                false => "+Inf".to_owned(),
            };
            let with_bound = [labels, &[("le", bound.as_str())]].concat();
            self.line("_bucket", &with_bound, below);
            count = *below;
        }
        self.line("_sum", labels, reading.sum);
        self.line("_count", labels, count);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _infallible = write!(self.text, "{}{suffix}", self.name);
        for (at, (name, value)) in labels.iter().enumerate() {
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let before = if at == 0 { '{' } else { ',' };
            let _infallible = write!(self.text, "{before}{name}=\"{value}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _infallible = writeln!(self.text, "{after} {value}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rpc::Histogram;

    use super::*;

    /// Prometheus refuses the whole page for one wrong line.
    #[test]
    fn families_have_help_type_and_escaped_labels() {
        let mut page = Exposition::default();
        page.gauge("x_ready", "Whether\nit is.", 1);
        let mut family = page.family("x_events_total", Kind::Counter, "Events.");
        family.sample(&[("place", "a\"\\\n"), ("reason", "b")], 2);
        let expected = "\
# HELP x_ready Whether\\nit is.
# TYPE x_ready gauge
x_ready 1
# HELP x_events_total Events.
# TYPE x_events_total counter
x_events_total{place=\"a\\\"\\\\\\n\",reason=\"b\"} 2
";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_histogram_ends_with_all_its_observations() {
        let histogram = Histogram::new(&[0.000_125, 0.5]);
        histogram.observe(Duration::from_millis(250));
        histogram.observe(Duration::from_secs(2));
        let mut page = Exposition::default();
        page.family("x_seconds", Kind::Histogram, "Time.")
            .histogram(&[("To", "2")], &histogram.read());
        let expected = "\
# HELP x_seconds Time.
# TYPE x_seconds histogram
x_seconds_bucket{To=\"2\",le=\"0.000125\"} 0
x_seconds_bucket{To=\"2\",le=\"0.5\"} 1
x_seconds_bucket{To=\"2\",le=\"+Inf\"} 2
x_seconds_sum{To=\"2\"} 2.25
x_seconds_count{To=\"2\"} 2
";
        assert_eq!(page.into_text(), expected);
    }
}
