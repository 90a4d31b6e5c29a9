//! Who may do what in the secured form of the rapids, where each service has an account of its own.
//!
//! Pure: [`Access`] is what a file declares, [`Right`]s are what follows from it for one account, and
//! [`Permissions`] what follows for a person. What a login lacks of its rights, and what gives them, is worked
//! out here too. Reading the file, and writing what the server includes, is left to the command `rapids access`;
//! asking a server, to `doctor`.
//!
//! ```
//! use rapids_client::access::ServiceAccess;
//!
//! let rights = ServiceAccess::default().rights("payment");
//! let to_publish = rights.iter().find(|right| right.local() == "rapids").unwrap();
//! assert_eq!(to_publish.subject, "rapids.from.payment");
//! ```

mod declared;
mod faults;
mod lack;
mod permissions;
mod right;
mod rights;
mod user;

pub use declared::{Access, OperatorAccess, PublisherAccess, Role, ServiceAccess};
pub(crate) use lack::{Holder, Lack, Why, remedy};
pub use permissions::Permissions;
pub use right::{Right, RightKind};
pub(crate) use user::{Grant, User};
