//! What a reaction returns, and what its errors mean.

use std::time::Duration;

use super::Outputs;
use crate::Error;
use crate::packet::Packet;

/// What a reaction may return: `anyhow::Result` of nothing, a packet, an option or a list of them,
/// or [`Outputs`], which may also have timers.
///
/// ```compile_fail,E0277
/// use rapids_client::{Packet, River};
///
/// River::new("count").react(|_: Packet| async { anyhow::Ok(7) });
/// ```
#[diagnostic::on_unimplemented(
    message = "a reaction cannot return `{Self}`",
    label = "this reaction returns `{Self}`",
    note = "a reaction returns `anyhow::Result` of `()`, `Packet`, `Option<Packet>`, \
            `Vec<Packet>`, `[Packet; N]` or `Outputs`: `async fn react(packet: Packet) -> \
            anyhow::Result<Packet>`",
    note = "one with a memory is no `async` function: `fn react(memory: &mut T, packet: &Packet) \
            -> anyhow::Result<Option<Packet>>`"
)]
pub trait Outcome {
    /// What is to be published or done, or why the packet could not be handled.
    ///
    /// # Errors
    /// The reaction's own error.
    fn into_outputs(self) -> anyhow::Result<Outputs>;
}

// One implementation for each type rather than one for all that becomes packets: so the compiler
// names `Outcome` where a reaction returns something else.
macro_rules! outcomes {
    ($([$($generics:tt)*] $returned:ty: $value:ident => $packets:expr;)*) => {$(
        impl<$($generics)*> Outcome for anyhow::Result<$returned> {
            fn into_outputs(self) -> anyhow::Result<Outputs> {
                self.map(|$value| Outputs::of($packets))
            }
        }
    )*};
}

outcomes! {
    [] (): _nothing => Vec::new();
    [] Packet: packet => vec![packet];
    [] Option<Packet>: packet => packet.into_iter().collect();
    [] Vec<Packet>: packets => packets;
    [const N: usize] [Packet; N]: packets => packets.into();
}

impl Outcome for anyhow::Result<Outputs> {
    fn into_outputs(self) -> anyhow::Result<Outputs> {
        self
    }
}

/// An error that says: no retry will ever help. The packet is set aside at once.
///
/// It may be wrapped with `.context(...)`. A failing [`Packet::parse`] or [`Packet::get`] has the
/// same effect.
///
/// ```
/// # use rapids_client::{Packet, reject};
/// async fn on_order_placed(packet: Packet) -> anyhow::Result<()> {
///     let total: i64 = packet.get("total")?.unwrap_or(0);
///     if total < 0 {
///         return Err(reject(format!("a total of {total} makes no sense")));
///     }
///     Ok(())
/// }
/// ```
pub fn reject(reason: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Rejected(reason.into()))
}

/// An error that says: try again after this time, such as when a dependency asks for patience.
pub fn retry_after(wait: Duration) -> anyhow::Error {
    anyhow::Error::new(RetryAfter(wait))
}

/// Whether an error of a reaction is final: [`reject`], or a packet that does not parse, cannot be
/// written or is too large. A service tries anything else again.
pub fn is_final(error: &anyhow::Error) -> bool {
    failure(error) == Failure::Rejected
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Rejected(String);

#[derive(Debug, thiserror::Error)]
#[error("retry after {0:?}")]
struct RetryAfter(Duration);

/// What follows from a reaction's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Final: the same packet would fail the same way.
    Rejected,
    /// To be tried again: after this time, or after the usual one.
    Retry(Option<Duration>),
}

/// Reads an error and its causes.
pub(crate) fn failure(error: &anyhow::Error) -> Failure {
    for cause in error.chain() {
        if let Some(RetryAfter(wait)) = cause.downcast_ref() {
            return Failure::Retry(Some(*wait));
        }
        let is_final = matches!(
            cause.downcast_ref(),
            Some(Error::Parse { .. } | Error::Field { .. } | Error::Refused { .. })
        );
        if is_final || cause.is::<Rejected>() {
            return Failure::Rejected;
        }
    }
    Failure::Retry(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn meaning_is_found_through_context() {
        let wrapped = Err::<(), _>(reject("no")).context("charging").unwrap_err();
        assert_eq!(failure(&wrapped), Failure::Rejected);
        let wait = Duration::from_secs(3);
        let wrapped = Err::<(), _>(retry_after(wait)).context("charging").unwrap_err();
        assert_eq!(failure(&wrapped), Failure::Retry(Some(wait)));
    }

    #[test]
    fn a_packet_that_does_not_parse_is_final_and_anything_else_is_tried_again() {
        let packet = Packet::event("x").with("total", "many");
        let error = packet.get::<u64>("total").map_err(anyhow::Error::from).unwrap_err();
        assert_eq!(failure(&error.context("reading")), Failure::Rejected);
        assert_eq!(failure(&anyhow::anyhow!("down")), Failure::Retry(None));
    }
}
