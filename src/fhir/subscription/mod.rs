//! How we want to be told of changes, and what to do when the telling stops.
//!
//! [`wanted()`] says what a subscription of ours looks like in each of FHIR's three models; [`Seen`]
//! reads what a server says of it; [`next_step`] watches. Servers lose subscriptions without a word:
//! they give up after a minute of silence on our side, get stuck while activating, or let them end.
//! So watching never trusts that no news is good news.
//!
//! Nothing here sends anything. What a subscription delivers is read elsewhere.

mod seen;
mod wanted;
mod watch;

pub use seen::{Seen, SeenStatus, is_ours};
pub use wanted::{Content, Endpoint, NewSubscription, Secret, Wanted, changed, wanted};
pub use watch::{Held, Step, WatchPolicy, next_step};

/// How a server does subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Release 4's own: a search as criteria, no handshake.
    Criteria,
    /// The backport of release 5's topics to R4 and R4B.
    Backport,
    /// Release 5.
    R5,
}
