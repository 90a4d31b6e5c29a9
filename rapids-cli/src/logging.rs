//! What the library logs, as words among the others.

use std::io::{self, Write};

use rapids_client::printable;
use tracing_subscriber::EnvFilter;

/// What is worth a line where `RUST_LOG` asks for nothing else: what a refusal of the server leads to
/// is an error of the command, which says it already.
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
        // Sequences of its own could not be told from those of others.
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .compact()
        .init();
}

/// Standard error, for lines with what others wrote in them.
struct Printed;

impl Write for Printed {
    /// Takes a whole line, as the log writes them.
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
