//! Logs on standard error: lines for people on a terminal, JSON for machines elsewhere.
//!
//! What is logged is left to the other files. A program that wants its own subscriber installs that
//! and does not call [`init`].

mod human;
mod json;
mod json_fields;
mod panics;

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use human::Human;
use json::Json;
use json_fields::JsonFields;

use crate::trace;

const FILTER: &str = "RUST_LOG";
/// The NATS client logs each attempt to connect; [`connection`](crate::connection) does so in fewer
/// lines.
const DEFAULT_FILTER: &str = "info,async_nats=warn,async_nats::connector=off";
const FORMAT: &str = "RAPIDS_LOG_FORMAT";

/// Installs the process's log subscriber; does nothing where one is installed already. From then on
/// panics are logged, too.
///
/// Each event is one line, whatever others wrote in it: control characters, and what is invisible
/// or reorders its neighbours, appear as escapes ([`printable`](crate::printable()); `\u001b` in
/// JSON). A line of JSON has the keys `timestamp`, `level`, `message`, `target`, those of the
/// event's fields, and `spans`, a list of objects with `name` and the fields of each.
///
/// | variable | meaning | default |
/// |---|---|---|
/// | `RUST_LOG` | what is logged, as in [`EnvFilter`] | `info`, and warnings of the client library |
/// | `RAPIDS_LOG_FORMAT` | `human` or `json` | `human` on a terminal, else `json` |
/// | `NO_COLOR` | no colours if not empty | colours on a terminal |
///
/// A wrong value is reported as a warning, and its default is used: logs are no reason for a
/// service not to start.
///
/// ```
/// rapids_client::telemetry::init();
/// tracing::info!("ready");
/// ```
pub fn init() {
    let Settings { format, filter, has_colours, warnings } = Settings::read();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match format {
        Format::Human => {
            builder.with_ansi(false).event_format(Human::new(has_colours)).finish().try_init()
        }
        Format::Json => builder.fmt_fields(JsonFields).event_format(Json).finish().try_init(),
    };
    if installed.is_ok() {
        begin(warnings);
    }
}

/// As [`init`], with a layer that gets spans and events as well, whatever `RUST_LOG` says: for traces.
/// `false` if a subscriber is installed already.
pub fn init_with<L>(layer: L) -> bool
where
    L: Layer<Registry> + Send + Sync,
{
    let Settings { format, filter, has_colours, warnings } = Settings::read();
    let filter = without_spans_of_traces(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = match format {
        Format::Human => lines.event_format(Human::new(has_colours)).boxed(),
        Format::Json => lines.fmt_fields(JsonFields).event_format(Json).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer).with(lines.with_filter(filter));
    let is_installed = subscriber.try_init().is_ok();
    if is_installed {
        begin(warnings);
    }
    is_installed
}

fn begin(warnings: Vec<String>) {
    panics::log_all();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// What the environment asks for.
struct Settings {
    format: Format,
    filter: EnvFilter,
    has_colours: bool,
    /// What is wrong with it.
    warnings: Vec<String>,
}

impl Settings {
    fn read() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let terminal = std::io::stderr().is_terminal();
        let (format, of_format) = format(variable(FORMAT).as_deref(), terminal);
        let (filter, of_filter) = filter(variable(FILTER).as_deref());
        let has_colours = terminal && variable("NO_COLOR").is_none();
        let warnings = of_format.into_iter().chain(of_filter).collect();
        Self { format, filter, has_colours, warnings }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Human,
    Json,
}

/// The format, and what to warn about.
fn format(setting: Option<&str>, terminal: bool) -> (Format, Option<String>) {
    let default = if terminal { Format::Human } else { Format::Json };
    match setting {
        None => (default, None),
        Some("human") => (Format::Human, None),
        Some("json") => (Format::Json, None),
        Some(other) => {
            (default, Some(format!("{FORMAT} is `{other}`, expected `human` or `json`; ignored")))
        }
    }
}

/// The filter, and what to warn about.
fn filter(setting: Option<&str>) -> (EnvFilter, Option<String>) {
    let (filter, warning) = match setting.map(EnvFilter::try_new) {
        None => (EnvFilter::new(DEFAULT_FILTER), None),
        Some(Ok(filter)) => (filter, setting.and_then(silence)),
        Some(Err(error)) => {
            let value = setting.unwrap_or_default();
            let warning = format!(
                "{FILTER} is `{value}`, expected a filter such as `{DEFAULT_FILTER}` ({error}); \
                 ignored"
            );
            (EnvFilter::new(DEFAULT_FILTER), Some(warning))
        }
    };
    // No filter hides the warnings about these settings, and panics.
    let here = concat!(module_path!(), "=warn").parse().expect("a target and a level");
    (filter.add_directive(here), warning)
}

fn without_spans_of_traces(filter: EnvFilter) -> EnvFilter {
    let off = format!("{}=off", trace::TARGET).parse().expect("a target and a level");
    filter.add_directive(off)
}

/// The warning about a filter that lets little through by mistake.
fn silence(filter: &str) -> Option<String> {
    let example = filter.split(',').next().unwrap_or_default().trim();
    names_targets_alone(filter).then(|| {
        format!(
            "{FILTER} is `{filter}`, so only the targets of these names are logged: no word of it \
             is a level; write `error`, `warn`, `info`, `debug` or `trace`, or both, such as \
             `info,{example}=debug`"
        )
    })
}

/// Whether each part is a word that is no level, which the filter takes for a target.
fn names_targets_alone(filter: &str) -> bool {
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    filter.split(',').map(str::trim).all(|part| !part.contains(['=', '[']) && !is_level(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::field::Empty;
    use tracing::subscriber::with_default;

    #[test]
    fn terminal_gets_human_lines_and_a_pipe_json_unless_told_otherwise() {
        assert_eq!(format(None, true).0, Format::Human);
        assert_eq!(format(None, false).0, Format::Json);
        assert_eq!(format(Some("json"), true).0, Format::Json);
        assert_eq!(format(Some("human"), false).0, Format::Human);
    }

    #[test]
    fn wrong_format_falls_back_with_a_warning() {
        let (format, warning) = format(Some("xml"), true);
        assert_eq!(format, Format::Human);
        let warning = warning.unwrap();
        assert_eq!(warning, "RAPIDS_LOG_FORMAT is `xml`, expected `human` or `json`; ignored");
    }

    #[test]
    fn wrong_filter_falls_back_with_a_warning() {
        assert!(filter(None).1.is_none());
        assert!(filter(Some("debug,async_nats=off")).1.is_none());
        let warning = filter(Some("rapids=loud")).1.unwrap();
        assert!(warning.starts_with("RUST_LOG is `rapids=loud`, expected"), "{warning}");
    }

    #[test]
    fn filter_of_words_that_are_no_levels_is_told() {
        for words in ["verbose", "rapids,verbose", "  warning "] {
            let warning = filter(Some(words)).1.expect(words);
            assert!(warning.starts_with(&format!("RUST_LOG is `{words}`, so only ")), "{warning}");
            assert!(warning.contains("`info`"), "{warning}");
        }
        for words in ["trace", "WARN", "off", "5", "verbose,info", "payment=debug", "info,a", "[a]"]
        {
            assert_eq!(filter(Some(words)).1, None, "{words}");
        }
    }

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
    fn line(format: Format, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let builder = tracing_subscriber::fmt().with_writer(move || writer.clone());
        match format {
            Format::Human => {
                let builder = builder.with_ansi(false).event_format(Human::new(false));
                with_default(builder.finish(), log);
            }
            Format::Json => {
                let builder = builder.fmt_fields(JsonFields).event_format(Json);
                with_default(builder.finish(), log);
            }
        }
        let line = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let line = line.strip_suffix('\n').expect("a line").to_owned();
        assert!(!line.contains(char::is_control), "{line:?}");
        line
    }

    #[test]
    fn what_others_wrote_forges_no_line_and_controls_no_terminal() {
        let foreign = "o-1\n12:00:00Z ERROR all is lost\r\u{1b}[2J\u{9b}2J\u{202e}\u{200b}\u{2028}";
        let log = || {
            let span = tracing::info_span!("reaction", packet = foreign);
            span.in_scope(|| tracing::info!(reason = foreign, "{foreign}"));
        };
        let human = line(Format::Human, log);
        for hidden in ['\u{202e}', '\u{200b}', '\u{2028}'] {
            assert!(!human.contains(hidden), "{human:?}");
        }
        assert!(human.contains("INFO reaction: o-1\\n12:00:00Z ERROR all is lost\\r"), "{human}");
        let json = line(Format::Json, log);
        assert!(!json.contains(['\u{202e}', '\u{9b}', '\u{200b}', '\u{2028}']), "{json:?}");
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["message"], foreign);
        assert_eq!(json["reason"], foreign);
        assert_eq!(json["spans"][0]["packet"], foreign);
    }

    #[test]
    fn a_line_of_json_has_each_key_once_whatever_fields_are_called() {
        let json = line(Format::Json, || {
            let span = tracing::info_span!("reaction", name = "charge", name_ = 1, later = Empty);
            span.record("later", 1);
            span.record("later", 2);
            span.in_scope(|| {
                tracing::warn!(
                    level = 5, target = "x", spans = true, timestamp = -1, message_ = 1.5,
                    share = f64::NAN, why = ?Some("x"), "told"
                );
            });
        });
        for key in ["name", "name_", "later", "level", "target", "spans", "timestamp", "message"] {
            assert_eq!(json.matches(&format!("\"{key}\":")).count(), 1, "{key}: {json}");
        }
        let line: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&line["level"], &line["level_"]), (&json!("WARN"), &json!(5)));
        assert_eq!(line["target"], module_path!());
        assert_eq!((&line["target_"], &line["spans_"]), (&json!("x"), &json!(true)));
        assert_eq!((&line["message"], &line["message_"]), (&json!("told"), &json!(1.5)));
        assert_eq!((&line["share"], &line["why"]), (&Value::Null, &json!("Some(\"x\")")));
        let span = json!({"name": "reaction", "name__": "charge", "name_": 1, "later": 2});
        assert_eq!(line["spans"], json!([span]));
        let times: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(times > jiff::Timestamp::UNIX_EPOCH);
    }
}
