//! What came of a packet: all packets of its conversation, and the dead letters about them, as a tree.
//!
//! Finds a conversation in the stream, reads it, and says what caused what. Printing it is left to
//! programs.

mod conversation;
mod find;
mod mention;
mod progress;
mod read;
mod reference;
mod room;
mod scan;
mod span;
mod tree;

use std::time::Duration;

pub use conversation::{Conversation, ReadingEnd};
pub use find::Found;
pub use progress::Progress;
pub use reference::Reference;
pub use tree::{Node, Subject};

use crate::dead_letters::DeadLetters;
use crate::rapids::Rapids;

/// Finds and reads conversations in the stream, without a position on the server.
///
/// ```no_run
/// use rapids_client::{Config, DeadLetters, History, Rapids, Reference, Subject};
///
/// # async fn example() -> rapids_client::Result<()> {
/// let config = Config::from_env()?;
/// let Some(rapids) = Rapids::open(&config).await? else {
///     return Ok(());
/// };
/// let history = History::new(rapids, DeadLetters::open(&config).await?);
/// if let Some(found) = history.find(&Reference::Sequence(17)).await? {
///     for conversation in history.read(vec![found]).await? {
///         for node in conversation.tree() {
///             if let Subject::Packet(packet) = node.subject {
///                 println!("{}{}", "  ".repeat(node.depth), packet.id());
///             }
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct History {
    rapids: Rapids,
    letters: Option<DeadLetters>,
    quiet: Option<Duration>,
    progress: Progress,
}

impl History {
    /// The history of these rapids; without letters, conversations have none.
    pub fn new(rapids: Rapids, letters: Option<DeadLetters>) -> Self {
        Self { rapids, letters, quiet: None, progress: Progress::default() }
    }

    /// Reads no further once the conversations were quiet for this long, in the time of the stream:
    /// between their last packet and the one that is read. What came of them after that is not looked
    /// for. By default the stream is read to its end.
    #[must_use]
    pub fn quiet(self, quiet: Duration) -> Self {
        Self { quiet: Some(quiet), ..self }
    }

    /// How far the present reading of the stream is, for a progress bar.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }
}
