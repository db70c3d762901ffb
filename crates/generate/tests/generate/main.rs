//! Templates and files over the services' methods, on a member that is alone.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod files;
mod secrets;
mod support;
mod templates;
