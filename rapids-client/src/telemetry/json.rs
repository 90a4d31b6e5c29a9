//! A log line for a machine: always one JSON object, each key of it once.

use std::fmt::{self, Debug};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::printable::printable_json;

/// Writes `timestamp`, `level`, `message`, `target`, `spans` and the fields. A field that is called
/// like one of these, or `name` in a span, gets a `_` behind its name.
pub(super) struct Json;

/// The keys of the line itself, which no field may have.
const OWN: [&str; 4] = ["timestamp", "level", "target", "spans"];

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut fields = fields.0;
        // These fields tell where a record of the crate `log` comes from.
        let logged = fields.remove("log.target");
        fields.retain(|name, _| !name.starts_with("log."));
        let target = logged.unwrap_or_else(|| metadata.target().into());
        let spans: Vec<Value> = context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
            .map(|span| described::<S, N>(&span))
            .collect();

        let mut object = String::from("{");
        let mut entry = |key: &str, value: &Value| {
            let comma = if object.len() == 1 { "" } else { "," };
            object.push_str(&format!("{comma}{}:{value}", json!(key)));
        };
        entry("timestamp", &json!(format!("{:.6}", Timestamp::now())));
        entry("level", &json!(metadata.level().as_str()));
        if let Some(message) = fields.remove("message") {
            entry("message", &message);
        }
        for (name, value) in &renamed(fields, &OWN) {
            entry(name, value);
        }
        entry("target", &target);
        if !spans.is_empty() {
            entry("spans", &Value::Array(spans));
        }
        object.push('}');
        writeln!(line, "{}", printable_json(&object))
    }
}

/// The name and the fields of a span, as the subscriber keeps them.
fn described<S, N>(span: &SpanRef<'_, S>) -> Value
where
    S: for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let extensions = span.extensions();
    let kept = extensions.get::<FormattedFields<N>>().map_or("", |kept| kept.fields.as_str());
    let fields: Map<String, Value> = serde_json::from_str(kept).unwrap_or_default();
    let mut fields = renamed(fields, &["name"]);
    fields.insert("name".to_owned(), span.name().into());
    Value::Object(fields)
}

/// The fields, of which none has one of these names.
fn renamed(mut fields: Map<String, Value>, taken: &[&str]) -> Map<String, Value> {
    for name in taken {
        if let Some(value) = fields.remove(*name) {
            let mut other = format!("{name}_");
            while fields.contains_key(&other) {
                other.push('_');
            }
            fields.insert(other, value);
        }
    }
    fields
}

/// The fields of an event. Of a field that is given twice the last counts.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        // Names that are keywords of Rust are written with a prefix.
        let name = field.name().trim_start_matches("r#");
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, format!("{value:?}"));
    }
}
