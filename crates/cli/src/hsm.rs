//! HSM's collections as JSON, in the form that SMD and our HTTP API give and take: what `import` reads and `export`
//! writes. Which field is called what is read from the protos, as the gateway does.

mod collection;
mod json;
mod message;
mod ours;

pub(crate) use self::collection::{Collection, Items, find_in, not_accepted};
pub(crate) use self::json::parse;
pub(crate) use self::message::HsmMessage;
pub(crate) use self::ours::Ours;
