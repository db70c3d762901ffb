//! `chamois api …`: what the API has, what it means, and any method of it by hand.

mod call;
pub(crate) mod explain;
mod list;
pub(crate) mod message;
mod names;
mod openapi_document;
mod shown;

use clap::Subcommand;
use proto::http::v1::{Consistency, MethodRule};
use rpc::client::{Treatment, Trials};

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

/// What a client that only tries out does with each method.
///
/// # Errors
/// As [`catalogue`]: without it nothing tells a write from a read.
pub(crate) fn trials() -> Result<Trials, CliError> {
    let catalogue = catalogue()?;
    let methods = catalogue.methods().iter();
    Ok(Trials::new(
        methods.map(|method| (method.grpc_path(), treatment(method.rule()))),
    ))
}

/// A read, or what the cluster keeps no trace of, is sent as it is.
fn treatment(rule: &MethodRule) -> Treatment {
    match (rule.consistency(), rule.can_validate_only) {
        (Consistency::Linearizable | Consistency::Local, _) => Treatment::AsItIs,
        (Consistency::Unspecified, true) => Treatment::TriedOut,
        (Consistency::Unspecified, false) => Treatment::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_tried_out_or_refused_and_reads_sent() {
        let catalogue = catalogue().unwrap();
        let of = |path: &str| {
            let method = catalogue
                .methods()
                .iter()
                .find(|method| method.grpc_path() == path);
            treatment(method.unwrap().rule())
        };
        assert_eq!(of("/chamois.smd.v1.GroupService/ListGroups"), Treatment::AsItIs);
        assert_eq!(
            of("/chamois.smd.v1.GroupService/CreateGroup"),
            Treatment::TriedOut
        );
        assert_eq!(treatment(&MethodRule::default()), Treatment::Refused);
        trials().unwrap();
    }
}
