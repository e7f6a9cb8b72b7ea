//! The rules: each file judges one kind of thing and writes to the ledger.

pub(crate) mod alignment;
pub(crate) mod bandwidth;
pub(crate) mod follow;
pub(crate) mod http;
pub(crate) mod players;
pub(crate) mod playlist;
pub(crate) mod segment;
pub(crate) mod sequence;
pub(crate) mod variants;
