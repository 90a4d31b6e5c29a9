//! Logs on standard error: lines for people on a terminal, JSON for machines elsewhere.
//!
//! What is logged is up to the other files; a program that wants its own subscriber installs it
//! and does not call [`init`].

mod span_fields;

use std::fmt;
use std::io::IsTerminal;

use jiff::Timestamp;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::util::SubscriberInitExt;

use span_fields::SpanFields;

const FILTER: &str = "RUST_LOG";
/// What the client library says of each attempt to connect, the connection here says in fewer lines.
const DEFAULT_FILTER: &str = "info,async_nats=warn,async_nats::connector=off";
const FORMAT: &str = "RAPIDS_LOG_FORMAT";

/// Installs the process's log subscriber; does nothing where one is installed already.
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
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let terminal = std::io::stderr().is_terminal();
    let (format, format_warning) = format(variable(FORMAT).as_deref(), terminal);
    let (filter, filter_warning) = filter(variable(FILTER).as_deref());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match format {
        Format::Human => builder
            .compact()
            .with_timer(Seconds)
            .with_target(false)
            .with_ansi(terminal && variable("NO_COLOR").is_none())
            .finish()
            .try_init(),
        Format::Json => {
            let builder = builder.json().flatten_event(true).with_current_span(false);
            builder.fmt_fields(SpanFields).finish().try_init()
        }
    };
    if installed.is_ok() {
        for warning in format_warning.into_iter().chain(filter_warning) {
            tracing::warn!("{warning}");
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
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
    let Some(value) = setting else {
        return (EnvFilter::new(DEFAULT_FILTER), None);
    };
    match EnvFilter::try_new(value) {
        Ok(_) if names_targets_alone(value) => {
            let warning = format!(
                "{FILTER} is `{value}`, so only the targets of these names are logged: no word of \
                 it is a level; write `error`, `warn`, `info`, `debug` or `trace`, or both, such as \
                 `info,{}=debug`",
                value.split(',').next().unwrap_or_default().trim()
            );
            // Else the filter would silence the warning, too.
            (EnvFilter::new(format!("{value},{}=warn", module_path!())), Some(warning))
        }
        Ok(filter) => (filter, None),
        Err(error) => {
            let warning = format!(
                "{FILTER} is `{value}`, expected a filter such as `{DEFAULT_FILTER}` ({error}); \
                 ignored"
            );
            (EnvFilter::new(DEFAULT_FILTER), Some(warning))
        }
    }
}

/// Whether each part is a word that is no level, which the filter takes for a target.
fn names_targets_alone(filter: &str) -> bool {
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    filter.split(',').map(str::trim).all(|part| !part.contains(['=', '[']) && !is_level(part))
}

/// The time of day in UTC, to the second: a person compares lines, a machine reads JSON.
struct Seconds;

impl FormatTime for Seconds {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", Timestamp::now().strftime("%H:%M:%SZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn init_may_be_called_twice() {
        init();
        init();
    }
}
