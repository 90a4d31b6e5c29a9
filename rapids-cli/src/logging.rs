//! Prints the library's log among the other messages.

use std::io::{self, Write};

use rapids_client::printable;
use tracing_subscriber::EnvFilter;

/// The filter unless `RUST_LOG` is set. Refusals by the server are left out, because they are errors of
/// the command, which prints them.
const DEFAULT: &str = "warn,rapids_client::refusal=off,async_nats=off";

/// Sends the library's log to standard error.
pub(crate) fn init() {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::new(filter),
        _ => EnvFilter::new(DEFAULT),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Printed)
        // `Printed` escapes control characters, so the log cannot use colours.
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .compact()
        .init();
}

/// Standard error, with control characters escaped: a log line may quote somebody else's text.
struct Printed;

impl Write for Printed {
    /// Writes a line. The log writes each line with one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        writeln!(io::stderr().lock(), "{}", printable(text))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
