//! Dead letters: packets that a river could not handle, kept until somebody decides on them.

mod headers;
mod id;
mod kind;
mod letter;
pub(crate) mod replay;
mod store;
mod streams;
mod text;

pub use id::LetterId;
pub use kind::Kind;
pub use letter::DeadLetter;
pub(crate) use store::LetterStore;
