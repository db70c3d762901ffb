//! `chamois api …`: what the API has, what it means, and any method of it by hand.

mod call;
pub(crate) mod explain;
mod list;
pub(crate) mod message;
mod names;
mod openapi_document;
mod shown;

use clap::Subcommand;
use proto::http::v1::Consistency;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `api`.
#[derive(Debug, Subcommand)]
pub enum ApiCommand {
    /// List the methods, with their routes and permissions; needs no cluster
    List(list::ListArgs),
    /// Explain a service, method, message, field or route; needs no cluster
    Explain(explain::ExplainArgs),
    /// Call any method over gRPC, with JSON
    Call(call::CallArgs),
    /// Write the OpenAPI document of all HTTP routes, as `/openapi.json` has it; needs no cluster
    #[command(after_help = "Example:\n  chamois api openapi")]
    Openapi,
}

pub(crate) async fn run(global: &GlobalArgs, command: ApiCommand) -> Result<(), CliError> {
    match command {
        ApiCommand::List(args) => list::run(global, &args),
        ApiCommand::Explain(args) => explain::run(global, &args),
        ApiCommand::Call(args) => call::run(global, &args).await,
        ApiCommand::Openapi => openapi_document::run(),
    }
}

/// All of the API that this version knows.
///
/// # Errors
/// None that a released version has.
pub(crate) fn catalogue() -> Result<openapi::Catalogue, CliError> {
    let read = openapi::Catalogue::new(proto::DOCUMENTED_DESCRIPTOR);
    read.map_err(|error| CliError::other("cannot read the API's own description", error))
}

/// What a client that only tries out does with each method: a read, or what the cluster keeps no trace of, is sent as it is.
pub(crate) fn trials() -> rpc::client::Trials {
    let catalogue = catalogue().ok();
    let methods = catalogue.iter().flat_map(|catalogue| catalogue.methods());
    let writes = methods.filter(|method| method.rule().consistency() == Consistency::Unspecified);
    rpc::client::Trials::new(writes.map(|method| (method.grpc_path(), method.rule().can_validate_only)))
}
