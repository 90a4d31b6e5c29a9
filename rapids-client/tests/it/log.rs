//! What the services of this process log.

use std::io::{self, Write};
use std::sync::{Mutex, Once};

use tracing_subscriber::fmt::MakeWriter;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

/// Keeps from now on what is logged. Tests run side by side: let the services have names of their
/// own.
pub(crate) fn keep() {
    static KEEPS: Once = Once::new();
    KEEPS.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Lines).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// The lines that name this service, each with its level in front.
pub(crate) fn of(service: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    lines.iter().filter(|line| line.contains(service)).cloned().collect()
}
