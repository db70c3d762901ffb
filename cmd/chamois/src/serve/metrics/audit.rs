//! What monitoring sees of the audit journal: whether it goes on, whether it is whole, whether others get it.

use std::sync::Arc;

use ::audit::{CountersReading, ExportReading};

use super::exposition::{Exposition, Kind};

/// Where the figures are from.
#[derive(Clone)]
pub(in crate::serve) struct AuditPage(pub(in crate::serve) Arc<dyn Fn() -> CountersReading + Send + Sync>);

impl AuditPage {
    pub(super) fn add_to(&self, page: &mut Exposition) {
        let reading = (self.0)();
        let help = "Log index up to which the audit journal of this member says something of every entry.";
        page.gauge("chamois_audit_revision", help, reading.revision);
        let help = "Bytes of the audit journal and the log of denials.";
        page.gauge("chamois_audit_bytes", help, reading.bytes);
        let help = "Gaps in the audit journal: entries that a snapshot jumped over, or that could not be written in time.";
        page.counter("chamois_audit_gaps_total", help, reading.gaps);
        let help = "Writes of the audit journal that the disk has refused; each is tried again.";
        page.counter("chamois_audit_write_errors_total", help, reading.write_errors);
        let help = "Calls of the API that were refused for lack of an identity or a permission.";
        page.counter("chamois_audit_denials_total", help, reading.denials);
        let help = "Of these, the ones that were only counted, because there were too many of one author or address.";
        page.counter(
            "chamois_audit_denials_left_out_total",
            help,
            reading.denials_left_out,
        );
        let help = "Audit lines that were handed over to a collector.";
        exports(page, "chamois_audit_exported_total", help, &reading, |export| {
            export.sent
        });
        let help = "Audit lines that a collector did not take in time.";
        exports(
            page,
            "chamois_audit_export_dropped_total",
            help,
            &reading,
            |export| export.dropped,
        );
    }
}

/// A family without a sample would be none: without a collector there is no line.
fn exports(
    page: &mut Exposition,
    name: &'static str,
    help: &str,
    reading: &CountersReading,
    count: impl Fn(&ExportReading) -> u64,
) {
    if reading.exports.is_empty() {
        return;
    }
    let mut family = page.family(name, Kind::Counter, help);
    for export in &reading.exports {
        family.sample(&[("target", export.target)], count(export));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reading: CountersReading) -> String {
        let mut page = Exposition::default();
        AuditPage(Arc::new(move || reading.clone())).add_to(&mut page);
        page.into_text()
    }

    #[test]
    fn gaps_and_lost_lines_can_be_alerted_on() {
        let reading = CountersReading {
            revision: 42,
            gaps: 1,
            denials_left_out: 7,
            exports: vec![ExportReading {
                target: "syslog",
                sent: 5,
                dropped: 3,
            }],
            ..CountersReading::default()
        };
        let text = text(reading);
        for line in [
            "chamois_audit_revision 42\n",
            "chamois_audit_gaps_total 1\n",
            "chamois_audit_denials_left_out_total 7\n",
            "chamois_audit_exported_total{target=\"syslog\"} 5\n",
            "chamois_audit_export_dropped_total{target=\"syslog\"} 3\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn without_a_collector_nothing_is_said_of_one() {
        let text = text(CountersReading::default());
        assert!(text.contains("chamois_audit_gaps_total 0\n"), "{text}");
        assert!(!text.contains("export"), "{text}");
    }
}
