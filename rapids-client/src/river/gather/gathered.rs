//! What was gathered about a need.

use serde::de::DeserializeOwned;

use crate::packet::Packet;
use crate::{Error, Result};

/// What a river that [gathers](crate::River::gather) reacts to: a need and its answers.
#[derive(Debug)]
pub struct Gathered {
    pub(super) need: Packet,
    pub(super) names: Vec<String>,
    pub(super) answers: Vec<Packet>,
    pub(super) is_complete: bool,
}

impl Gathered {
    /// The first packet of the need that the service was given; an answer, if that was one.
    #[must_use]
    pub fn need(&self) -> &Packet {
        &self.need
    }

    /// The answers, in the order in which they came.
    #[must_use]
    pub fn answers(&self) -> &[Packet] {
        &self.answers
    }

    /// Whether the answers are complete; if not, the time is up.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The names of the need for which no solution has come.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        let is_missing = |name: &&String| !self.answers.iter().any(|it| is_solved(it, name));
        self.names.iter().filter(is_missing).map(String::as_str).collect()
    }

    /// The solutions for one name of the need, in the order in which they came.
    ///
    /// # Errors
    /// [`Error::Parse`] names the answer whose solution is no `T`.
    pub fn solutions<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>> {
        let solved = self.answers.iter().filter(|answer| is_solved(answer, name));
        let read = |answer: &Packet| -> Result<T> {
            let path = path(name);
            answer.get(&path)?.ok_or_else(|| Error::Field { path, reason: "is missing".to_owned() })
        };
        solved.map(read).collect()
    }
}

/// The path of a solution.
fn path(name: &str) -> String {
    let mut quoted = String::new();
    crate::json::write_string(&mut quoted, name);
    format!("@.solutions[{quoted}]")
}

/// Whether a packet has a solution for this name.
pub(super) fn is_solved(packet: &Packet, name: &str) -> bool {
    let solution = packet.get::<Option<serde::de::IgnoredAny>>(&path(name));
    matches!(solution, Ok(Some(Some(_))))
}
