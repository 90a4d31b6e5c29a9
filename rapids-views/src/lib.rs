//! What operators are shown, on the command line and in the console: read and worked out here, printed
//! elsewhere.
//!
//! What both show comes from one place, so that neither says anything else than the other. Nothing here
//! knows a terminal or a page. What one of them alone shows stays there.

mod connection_options;
mod graph;
mod groups;
mod indented;
mod known;
mod mermaid;
mod moments;
mod moves;
mod own_facts;
mod service_status;
mod state;
pub mod verdict;
mod window;

pub use connection_options::ConnectionOptions;
pub use graph::{Edge, Graph, Node, NodeKind, Part};
pub use groups::{Group, Groups};
pub use indented::indented;
pub use known::{Changes, Known};
pub use mermaid::mermaid_escaped;
pub use moments::{moment, since};
pub use moves::{Rereading, move_outcome, moved, planned_move, rivers_again};
pub use own_facts::own_facts;
pub use service_status::{ExclusiveStatus, ServiceStatus};
pub use state::State;
pub use window::{ObservedMap, WindowReader, without_letters};
