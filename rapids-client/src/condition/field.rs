//! A field as people name it: by a key of the packet, or by a path.
//!
//! What looks like the one and is read as the other would be wrong of every packet, so it is
//! refused, with both forms.

use std::fmt;

use super::path::{Path, is_path};
use super::render::key_query;
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
                "looks like a path; that is written `{path}`, a key of just this name `{key}`"
            ),
            Err(_) => format!(
                "looks like a path, but names no single place; a key of just this name is \
                 written `{key}`"
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
