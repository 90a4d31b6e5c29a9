//! A field as people name it: by a key of the packet, or by a path.
//!
//! A key that looks like a path would match no packet, so it is refused, and the error shows both
//! forms.

use std::fmt;

use super::notation::key_query;
use super::path::{Path, is_path};
use crate::json::Node;

/// A key of the packet itself, or the path to a place in it.
#[derive(Debug)]
pub(crate) enum Field<'t> {
    Key(&'t str),
    Path(Path),
}

impl<'t> Field<'t> {
    /// Reads `total` as a key, and what begins with `@` or `$` as a path.
    ///
    /// # Errors
    /// What is wrong with the text, as the end of a sentence about it.
    pub(crate) fn parse(text: &'t str) -> Result<Self, String> {
        if is_path(text) {
            let path = Path::parse(text).map_err(|error| format!("is not a path: {error}"))?;
            return Ok(Self::Path(path));
        }
        if !text.contains(['.', '[', ']']) {
            return Ok(Self::Key(text));
        }
        let point = if text.starts_with(['.', '[']) { "" } else { "." };
        let key = key_query(text);
        Err(match Path::parse(&format!("@{point}{text}")) {
            Ok(path) => format!(
                "looks like a path; write the path as `{path}`, or a key of this name as `{key}`"
            ),
            Err(_) => format!(
                "looks like a path, but names no single place; write a key of this name as \
                 `{key}`"
            ),
        })
    }

    /// Goes to the field; `None` where nothing is there. Of repeated keys the first counts.
    pub(crate) fn get<'a>(&self, packet: Node<'a>) -> Option<Node<'a>> {
        match self {
            Self::Key(key) => packet.member(key),
            Self::Path(path) => path.get(packet),
        }
    }
}

/// The query that finds the field.
impl fmt::Display for Field<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => formatter.write_str(&key_query(key)),
            Self::Path(path) => path.fmt(formatter),
        }
    }
}
