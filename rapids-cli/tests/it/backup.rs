//! `rapids backup` and `rapids restore`: what is brought back, and what is refused.

mod changing;
mod cluster;
mod drill;
mod nats_cli;
mod refused;
mod running;
mod secured;

use std::path::Path;

use rapids_client::{Config, Rapids};
use rapids_test::NatsServer;

use crate::bench::{Bench, Said, rapids, said};

/// The path of a folder, as an argument.
pub(crate) fn path(folder: &Path) -> &str {
    folder.to_str().unwrap()
}

/// A text that does not become shorter by being compressed.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed;
    let mut letter = || {
        // A xorshift generator.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(
            b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
                [(state >> 32) as usize % 64],
        )
    };
    (0..length).map(|_| letter()).collect()
}

/// Takes a backup of a bench into a folder, which is to work.
fn back_up(bench: &Bench, folder: &Path) -> Said {
    bench.said(&["backup", path(folder)]).well(0)
}

/// Restores a folder on a server.
fn restore(server: &NatsServer, folder: &Path) -> Said {
    said(rapids(&["restore", path(folder)]).env("NATS_URL", server.url()))
}

/// A new server on which a folder is restored.
async fn restored(folder: &Path) -> (Bench, Said) {
    let server = NatsServer::start().unwrap();
    let restored = restore(&server, folder).well(0);
    let rapids = Rapids::open(&Config::new(server.url())).await.unwrap().unwrap();
    (Bench { server, rapids }, restored)
}
