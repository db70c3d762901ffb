//! How BMCs are logged in to. Passwords are sealed here, before anything is proposed, and are in no answer.

use std::net::IpAddr;

use model::Xname;
use proto::discovery::v1::discovery_command::{self, Change};
use proto::discovery::v1::{
    BmcCredential, CredentialRotation, DeleteBmcCredentialRequest, DeleteBmcCredentialResponse,
    ListBmcCredentialsRequest, ListBmcCredentialsResponse, PutBmcCredentialRequest,
    StartCredentialRotationRequest, StartCredentialRotationResponse, bmc_credential_service_server,
};
use proto::job::v1::job;
use redfish::Password;
use rpc::Error;
use state::discovery::credential_secret;
use tonic::{Request, Response, Status};

use crate::propose::propose;
use crate::{Bmcs, What, sealed};

/// What a scope may be.
const SCOPES: &str = "write bmc:XNAME, address:ADDRESS, group:LABEL or default";

/// Shows who logs in where, and changes it.
#[derive(Clone, Debug)]
pub struct BmcCredentialService {
    bmcs: Bmcs,
}

impl BmcCredentialService {
    /// A service that changes and answers from the store of `bmcs`, and seals with its sealer.
    #[must_use]
    pub fn new(bmcs: Bmcs) -> BmcCredentialService {
        BmcCredentialService { bmcs }
    }
}

#[tonic::async_trait]
impl bmc_credential_service_server::BmcCredentialService for BmcCredentialService {
    #[tracing::instrument(level = "debug", name = "discovery.list_bmc_credentials", skip_all)]
    async fn list_bmc_credentials(
        &self,
        _: Request<ListBmcCredentialsRequest>,
    ) -> Result<Response<ListBmcCredentialsResponse>, Status> {
        let state = self.bmcs.store().state();
        let credentials = state.discovery.credentials();
        let credentials = credentials
            .map(|credential| BmcCredential::clone(credential))
            .collect();
        Ok(Response::new(ListBmcCredentialsResponse { credentials }))
    }

    #[tracing::instrument(name = "discovery.put_bmc_credential", skip_all, fields(scope = ?request.get_ref().scope))]
    async fn put_bmc_credential(
        &self,
        request: Request<PutBmcCredentialRequest>,
    ) -> Result<Response<BmcCredential>, Status> {
        let author = rpc::author(&request);
        let PutBmcCredentialRequest {
            scope,
            user,
            password,
        } = request.into_inner();
        author.asks(&PutBmcCredentialRequest {
            scope: scope.clone(),
            user: user.clone(),
            password: String::new(),
        });
        let scope = normalised(&scope)?;
        let store = self.bmcs.store();
        let name = credential_secret(&scope);
        let password = sealed::seal(
            self.bmcs.sealer(),
            &store.state(),
            &name,
            &Password::new(password),
        )?;
        let credential = BmcCredential {
            scope: scope.clone(),
            user,
            meta: None,
        };
        let put = discovery_command::PutCredential {
            credential: Some(credential),
            password: Some(password),
        };
        propose(store, &author, Change::PutCredential(put)).await?;
        let state = store.state_after(&author);
        let stored = state
            .discovery
            .credential(&scope)
            .map(|stored| BmcCredential::clone(stored));
        let stored = stored.ok_or_else(|| Error::Conflict {
            detail: format!("{scope} was deleted by someone else"),
        })?;
        Ok(Response::new(BmcCredential {
            meta: author.told_meta(stored.meta),
            ..stored
        }))
    }

    #[tracing::instrument(name = "discovery.delete_bmc_credential", skip_all, fields(scope = ?request.get_ref().scope))]
    async fn delete_bmc_credential(
        &self,
        request: Request<DeleteBmcCredentialRequest>,
    ) -> Result<Response<DeleteBmcCredentialResponse>, Status> {
        let author = rpc::author(&request);
        let scope = normalised(&request.get_ref().scope)?;
        let delete = Change::DeleteCredential(discovery_command::DeleteCredential { scope });
        propose(self.bmcs.store(), &author, delete).await?;
        Ok(Response::new(DeleteBmcCredentialResponse {}))
    }

    #[tracing::instrument(name = "discovery.start_credential_rotation", skip_all)]
    async fn start_credential_rotation(
        &self,
        request: Request<StartCredentialRotationRequest>,
    ) -> Result<Response<StartCredentialRotationResponse>, Status> {
        let author = rpc::author(&request);
        let StartCredentialRotationRequest { targets } = request.into_inner();
        let bmcs = self.bmcs.expand("targets", &targets, What::Bmcs)?;
        if bmcs.is_empty() {
            let problem = "name the BMCs that get new passwords; `x*` are all in cabinets";
            return Err(rpc::invalid("targets", problem).into());
        }
        let work = job::Work::CredentialRotation(CredentialRotation { targets });
        let job = jobs::create(self.bmcs.store(), &author, work, bmcs).await?;
        Ok(Response::new(StartCredentialRotationResponse { job }))
    }
}

/// A scope in the one spelling under which it is looked for.
fn normalised(scope: &str) -> Result<String, Error> {
    let wrong = |problem: String| rpc::invalid("scope", format!("{problem}; {SCOPES}"));
    match scope.split_once(':') {
        None if scope == "default" => Ok(scope.to_owned()),
        Some(("bmc", xname)) => {
            let xname: Xname = xname.parse().map_err(|problem| rpc::invalid("scope", problem))?;
            Ok(format!("bmc:{xname}"))
        }
        Some(("address", address)) => {
            let bare = address.trim_matches(['[', ']']);
            let ip = bare.parse::<IpAddr>().map(|ip| ip.to_canonical().to_string());
            Ok(format!("address:{}", ip.unwrap_or_else(|_| bare.to_lowercase())))
        }
        Some(("group", label)) if !label.is_empty() => Ok(format!("group:{label}")),
        Some(_) | None => Err(wrong(format!("`{}` is none", scope.escape_debug()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_one_spelling() {
        for (given, stored) in [
            ("default", "default"),
            ("bmc:X1000C0S00B0", "bmc:x1000c0s0b0"),
            ("address:[FD00::7]", "address:fd00::7"),
            ("address:BMC1.example", "address:bmc1.example"),
            ("group:compute", "group:compute"),
        ] {
            assert_eq!(normalised(given).unwrap(), stored);
        }
        for wrong in ["", "defaults", "node:x0", "group:", "bmc:10.1.0.7"] {
            assert!(
                normalised(wrong).unwrap_err().to_string().starts_with("scope: "),
                "{wrong}"
            );
        }
    }
}
