//! The fields of a span as JSON. Each reaction has a span and most of them log nothing, so they are
//! written as they come: the formatter that comes with the subscriber builds a tree of them first.

use std::fmt::{self, Debug, Write};
use std::mem;

use serde_json::Number;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, FormattedFields};

use crate::json::write_string;

/// As long as the fields of most spans.
const USUAL: usize = 192;

/// Writes fields as a JSON object.
pub(super) struct SpanFields;

impl<'w> FormatFields<'w> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut object = Object(String::with_capacity(USUAL));
        object.0.push('{');
        fields.record(&mut object);
        writer.write_str(&object.closed())
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut object = Object(mem::take(&mut current.fields));
        object.0.pop();
        fields.record(&mut object);
        current.fields = object.closed();
        Ok(())
    }
}

/// An object that is not closed yet.
struct Object(String);

impl Object {
    fn key(&mut self, field: &Field) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        write_string(&mut self.0, field.name());
        self.0.push(':');
    }

    fn text(&mut self, field: &Field, text: &str) {
        self.key(field);
        write_string(&mut self.0, text);
    }

    fn show(&mut self, field: &Field, value: impl fmt::Display) {
        self.key(field);
        // A string takes whatever is written.
        let _ = write!(self.0, "{value}");
    }

    fn closed(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

impl Visit for Object {
    fn record_f64(&mut self, field: &Field, value: f64) {
        match Number::from_f64(value) {
            Some(number) => self.show(field, number),
            None => self.text(field, &value.to_string()),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.show(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.show(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.show(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::field::Empty;
    use tracing::subscriber::with_default;

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The one line that is logged meanwhile.
    fn logged(log: impl FnOnce()) -> Value {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .fmt_fields(SpanFields)
            .with_writer(move || writer.clone())
            .finish();
        with_default(subscriber, log);
        serde_json::from_slice(&kept.0.lock().unwrap()).unwrap()
    }

    #[test]
    fn fields_stand_in_the_lines_that_are_logged_within_their_span() {
        let line = logged(|| {
            let span = tracing::info_span!(
                "reaction",
                river = "a \"river\"\n",
                sequence = 7_u64,
                below = -1_i64,
                share = 0.5,
                none = f64::NAN,
                is_done = true,
                why = ?Some("x"),
                later = Empty,
            );
            span.record("later", "now");
            span.in_scope(|| tracing::info!("told"));
        });
        let expected = json!({
            "name": "reaction", "river": "a \"river\"\n", "sequence": 7, "below": -1, "share": 0.5,
            "none": "NaN", "is_done": true, "why": "Some(\"x\")", "later": "now",
        });
        assert_eq!(line["span"], expected);
    }

    #[test]
    fn a_field_that_comes_later_may_be_the_first() {
        let line = logged(|| {
            let span = tracing::info_span!("reaction", later = Empty);
            span.record("later", 1);
            span.in_scope(|| tracing::info!("told"));
        });
        assert_eq!(line["span"], json!({"name": "reaction", "later": 1}));
    }
}
