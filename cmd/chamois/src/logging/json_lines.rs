//! The log as JSON, one object a line, with keys that do not change: `time` (UTC), `level`, `target`, `message`, of a
//! member also `member` and `cluster`; `fields` has the event's own values, `spans` what it happened in, the outermost
//! first. Own values stand apart, so that an event about another member hides nobody.

use std::fmt::{Debug, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::Origin;

/// The event's field that is its message.
const MESSAGE: &str = "message";

/// Writes events as JSON lines.
pub(super) struct JsonLines {
    /// The member that this process is.
    pub(super) origin: Option<Origin>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for JsonLines {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = Map::new();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        line.insert("time".to_owned(), time.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.remove(MESSAGE).unwrap_or_else(|| "".into());
        line.insert(MESSAGE.to_owned(), message);
        if let Some(origin) = &self.origin {
            line.insert("member".to_owned(), origin.member.into());
            line.insert("cluster".to_owned(), origin.cluster.as_str().into());
        }
        if !fields.0.is_empty() {
            line.insert("fields".to_owned(), fields.0.into());
        }
        let spans = context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root());
        let spans: Vec<Value> = spans
            .map(|span| {
                let extensions = span.extensions();
                let written = extensions.get::<FormattedFields<JsonFields>>();
                let fields = written.and_then(|fields| serde_json::from_str(&fields.fields).ok());
                let mut object: Map<String, Value> = fields.unwrap_or_default();
                object.insert("name".to_owned(), span.name().into());
                object.into()
            })
            .collect();
        if !spans.is_empty() {
            line.insert("spans".to_owned(), spans.into());
        }
        // `Value` escapes what would end the line
        writeln!(writer, "{}", Value::from(line))
    }
}

/// The values of one event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            let _infallible = write!(text, ": {error}");
            cause = error.source();
        }
        self.set(field, text);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(origin: Option<Origin>, events: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let into = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || into.clone())
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines { origin })
            .finish();
        tracing::subscriber::with_default(subscriber, events);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn origin() -> Option<Origin> {
        Some(Origin {
            member: 2,
            cluster: "prod".to_owned(),
        })
    }

    /// Whoever collects logs keys on these names; a change here breaks their dashboards.
    #[test]
    fn a_line_has_the_stable_keys_and_no_other() {
        let lines = logged(origin(), || tracing::warn!(target: "raft::member", "no\nleader"));
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["cluster", "level", "member", "message", "target", "time"]);
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], "raft::member");
        assert_eq!(line["message"], "no\nleader", "one line all the same");
        assert_eq!((&line["member"], &line["cluster"]), (&2.into(), &"prod".into()));
        let time = line["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    }

    /// An event about member 3 is still an event of member 2.
    #[test]
    fn values_of_the_event_and_of_its_spans_stand_apart() {
        let lines = logged(origin(), || {
            let outer = tracing::info_span!("rpc", path = "/a/B", principal = "user/admin").entered();
            let inner = tracing::info_span!("smd.patch", xname = "x0c0").entered();
            tracing::info!(member = 3, late = true, ratio = 0.5, note = "a\"b", "dialled");
            drop((inner, outer));
        });
        let line = &lines[0];
        assert_eq!(line["member"], 2);
        assert_eq!(
            line["fields"],
            serde_json::json!({"member": 3, "late": true, "ratio": 0.5, "note": "a\"b"})
        );
        let spans = serde_json::json!([
            {"name": "rpc", "path": "/a/B", "principal": "user/admin"},
            {"name": "smd.patch", "xname": "x0c0"}
        ]);
        assert_eq!(line["spans"], spans);
    }

    #[test]
    fn an_error_is_written_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("could not append to the log")]
        struct Append(#[source] io::Error);
        let lines = logged(None, || {
            let error = Append(io::Error::other("no space"));
            tracing::error!(error = &error as &dyn std::error::Error, "stopped");
        });
        assert_eq!(
            lines[0]["fields"]["error"],
            "could not append to the log: no space"
        );
        assert!(lines[0].get("member").is_none(), "a command is no member");
    }
}
