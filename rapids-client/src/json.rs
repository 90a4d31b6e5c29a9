//! A read-only view of JSON that never rounds and copies no more than it must.
//!
//! A [`Node`] is a value in its original text; a packet's top level is its [`Fields`]. What the keys
//! of a packet mean is left to [`packet`](crate::packet), what values mean to each other to
//! [`condition`](crate::condition).

mod depth;
mod description;
mod fields;
mod finite;
mod member;
mod nested;
mod node;
mod number;
mod step;
mod text;
mod unquoted;

pub(crate) use description::description;
pub(crate) use fields::{BYTE_ORDER_MARK, Fields};
pub(crate) use member::{Member, each_member, write_key, write_member, write_string};
pub(crate) use node::{Kind, Node, Top};
pub(crate) use number::{canonical, compare as compare_numbers};
pub(crate) use step::{Step, position};
pub(crate) use text::Text;
pub(crate) use unquoted::unquoted;
