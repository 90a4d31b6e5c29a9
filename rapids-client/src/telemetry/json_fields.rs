//! The fields of a span as JSON. Each reaction has a span, and few of them log anything: what
//! tracing-subscriber has for this sorts the fields in a tree and copies each, which takes longer than
//! all else that a span costs.

use std::fmt::{self, Debug, Display, Write as _};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, FormattedFields};

use crate::json::{write_key, write_string};

/// Writes an object. Of a field that is recorded again the last value counts, as in any JSON that is
/// read with serde_json.
pub(super) struct JsonFields;

/// Room for the fields of most spans.
const ROOM: usize = 256;

impl<'writer> FormatFields<'writer> for JsonFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        writer.write_str(&written(String::with_capacity(ROOM), fields))
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut object = std::mem::take(&mut current.fields);
        object.pop();
        current.fields = written(object, fields);
        Ok(())
    }
}

/// An object with these fields, behind those of one that lacks its closing brace, if there is one.
fn written(object: String, fields: impl RecordFields) -> String {
    let mut object = Object(object);
    if object.0.is_empty() {
        object.0.push('{');
    }
    fields.record(&mut object);
    object.0.push('}');
    object.0
}

struct Object(String);

impl Object {
    fn member(&mut self, field: &Field, value: impl Display) {
        self.key(field);
        // A String has no reason to fail.
        let _ = write!(self.0, "{value}");
    }

    fn key(&mut self, field: &Field) {
        // Names that are keywords of Rust are written with a prefix.
        write_key(&mut self.0, field.name().trim_start_matches("r#"));
    }
}

impl Visit for Object {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.key(field);
        write_string(&mut self.0, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
