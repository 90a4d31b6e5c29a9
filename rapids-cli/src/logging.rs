//! What the library logs, as words among the others.

use tracing_subscriber::EnvFilter;

use crate::palette::Palette;
use crate::screen::Screen;

/// What is worth a line where `RUST_LOG` asks for nothing else: what a refusal of the server leads to
/// is an error of the command, which says it already.
const DEFAULT: &str = "warn,rapids_client::connection=error,async_nats=off";

/// Sends the library's log to standard error.
pub(crate) fn init(screen: &Screen) {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::new(filter),
        _ => EnvFilter::new(DEFAULT),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(screen.words != Palette::plain())
        .with_target(false)
        .without_time()
        .compact()
        .init();
}
