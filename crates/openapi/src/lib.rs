//! What the .proto files say of the API, for people and their tools: every method with its comment, route and permission,
//! and all HTTP routes as one OpenAPI document. `OVERVIEW.md` shows how.
#![forbid(unsafe_code)]

mod catalogue;
mod comments;
mod document;
mod fixed;
mod operation;
mod parameters;
mod schemas;

pub use catalogue::{Catalogue, Method, Route};
pub use comments::{Comments, summary};
pub use document::document;

/// Why a descriptor cannot be explained: a mistake in a .proto file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not a descriptor set.
    #[error("the descriptor set does not decode")]
    Descriptor(#[from] prost_reflect::DescriptorError),
    /// A method without a rule, or with a senseless one.
    #[error("the rules of the methods")]
    Rules(#[from] rpc::RulesError),
    /// One of the options that routes and fields are described with.
    #[error("the descriptor set lacks the option {name}")]
    OptionMissing {
        /// Its full name.
        name: &'static str,
    },
    /// A route that names what is not there.
    #[error("{method}: {problem}")]
    Route {
        /// `/package.Service/Method`.
        method: String,
        /// What is wrong.
        problem: String,
    },
}
