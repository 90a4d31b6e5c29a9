//! Finding and reading conversations: what they are told, and how far they are.

use std::time::Duration;

use super::moment::Moment;
use super::progress::Progress;
use crate::dead_letters::DeadLetters;
use crate::rapids::Rapids;

/// Finds and reads conversations in the stream, without a position on the server.
///
/// ```no_run
/// use rapids_client::{Config, DeadLetters, Conversations, Rapids, Reference, Subject};
///
/// # async fn example() -> rapids_client::Result<()> {
/// let config = Config::from_env()?;
/// let Some(rapids) = Rapids::open(&config).await? else {
///     return Ok(());
/// };
/// let conversations = Conversations::new(rapids, DeadLetters::open(&config).await?);
/// if let Some(found) = conversations.find(&Reference::Sequence(17)).await? {
///     for conversation in conversations.read(vec![found]).await? {
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
pub struct Conversations {
    pub(super) rapids: Rapids,
    pub(super) letters: Option<DeadLetters>,
    pub(super) quiet: Option<Duration>,
    pub(super) until: Option<Moment>,
    pub(super) progress: Progress,
}

impl Conversations {
    /// The conversations of these rapids; without letters, conversations have none.
    pub fn new(rapids: Rapids, letters: Option<DeadLetters>) -> Self {
        Self { rapids, letters, quiet: None, until: None, progress: Progress::default() }
    }

    /// Reads no further once the conversations were quiet for this long, in the time of the stream:
    /// between their last packet and the one that is read. What came of them after that is not looked
    /// for. By default the stream is read to its end.
    #[must_use]
    pub fn quiet(self, quiet: Duration) -> Self {
        Self { quiet: Some(quiet), ..self }
    }

    /// Reads no further than this: what conversations were then. Dead letters that were written later are
    /// left out; what has become of the others is told as it is now. By default the stream is read to its
    /// end.
    #[must_use]
    pub fn until(self, moment: impl Into<Moment>) -> Self {
        Self { until: Some(moment.into()), ..self }
    }

    /// How far the present reading of the stream is, for a progress bar.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }
}
