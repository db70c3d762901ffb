//! BMCs that were found: where they are, which keys they showed, how their last crawl went.

use model::Xname;
use proto::discovery::v1::discovery_command::{self, Change};
use proto::discovery::v1::{
    AssignXnameRequest, Bmc, DeleteBmcRequest, DeleteBmcResponse, GetBmcRequest, ListBmcsRequest,
    ListBmcsResponse, StartScanRequest, StartScanResponse, TrustKeyRequest, bmc_service_server,
};
use proto::job::v1::job;
use raft::Store;
use rpc::{Author, Error, page};
use state::State;
use tonic::{Request, Response, Status};

use crate::propose::propose;

/// Shows BMCs, and what an administrator decides of them.
#[derive(Clone, Debug)]
pub struct BmcService {
    store: Store,
}

impl BmcService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> BmcService {
        BmcService { store }
    }

    /// The answer to a change.
    fn stored_after(&self, author: &Author, address: &str) -> Result<Response<Bmc>, Status> {
        let stored = bmc_of(&self.store.state_after(author), address)?;
        Ok(Response::new(Bmc {
            meta: author.told_meta(stored.meta),
            ..stored
        }))
    }
}

#[tonic::async_trait]
impl bmc_service_server::BmcService for BmcService {
    #[tracing::instrument(level = "debug", name = "discovery.list_bmcs", skip_all)]
    async fn list_bmcs(
        &self,
        request: Request<ListBmcsRequest>,
    ) -> Result<Response<ListBmcsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let state = self.store.state();
        let page = asked.of::<String, _>(&request, state.cluster_id())?;
        let wanted = state.discovery.bmcs().filter(|bmc| {
            page.after().is_none_or(|after| bmc.address > *after)
                && (!request.unassigned || bmc.xname.is_empty())
                && (request.crawl_status.is_empty() || bmc.crawl_status == request.crawl_status)
        });
        let (bmcs, next_page_token) = page.cut(wanted, |bmc| bmc.address.as_str(), |bmc| Bmc::clone(bmc));
        Ok(Response::new(ListBmcsResponse {
            bmcs,
            next_page_token,
        }))
    }

    #[tracing::instrument(level = "debug", name = "discovery.get_bmc", skip_all, fields(address = ?request.get_ref().address))]
    async fn get_bmc(&self, request: Request<GetBmcRequest>) -> Result<Response<Bmc>, Status> {
        let bmc = bmc_of(&self.store.state(), &request.get_ref().address)?;
        Ok(Response::new(bmc))
    }

    #[tracing::instrument(name = "discovery.assign_xname", skip_all, fields(address = ?request.get_ref().address, xname = ?request.get_ref().xname))]
    async fn assign_xname(&self, request: Request<AssignXnameRequest>) -> Result<Response<Bmc>, Status> {
        let author = rpc::author(&request);
        let AssignXnameRequest { address, xname } = request.into_inner();
        let bmc = bmc_of(&self.store.state(), &address)?;
        let xname: Xname = xname.parse().map_err(|problem| rpc::invalid("xname", problem))?;
        let assign = discovery_command::AssignXname {
            address: bmc.address.clone(),
            xname: xname.to_string(),
        };
        propose(&self.store, &author, Change::AssignXname(assign)).await?;
        self.stored_after(&author, &bmc.address)
    }

    #[tracing::instrument(name = "discovery.trust_key", skip_all, fields(address = ?request.get_ref().address))]
    async fn trust_key(&self, request: Request<TrustKeyRequest>) -> Result<Response<Bmc>, Status> {
        let author = rpc::author(&request);
        let TrustKeyRequest { address, key_sha256 } = request.into_inner();
        let bmc = bmc_of(&self.store.state(), &address)?;
        let trust = discovery_command::TrustKey {
            address: bmc.address.clone(),
            key_sha256: key_to_trust(&bmc, &key_sha256)?,
        };
        propose(&self.store, &author, Change::TrustKey(trust)).await?;
        self.stored_after(&author, &bmc.address)
    }

    #[tracing::instrument(name = "discovery.delete_bmc", skip_all, fields(address = ?request.get_ref().address))]
    async fn delete_bmc(
        &self,
        request: Request<DeleteBmcRequest>,
    ) -> Result<Response<DeleteBmcResponse>, Status> {
        let author = rpc::author(&request);
        let bmc = bmc_of(&self.store.state(), &request.get_ref().address)?;
        let addresses = vec![bmc.address];
        let delete = Change::DeleteBmcs(discovery_command::DeleteBmcs { addresses });
        propose(&self.store, &author, delete).await?;
        Ok(Response::new(DeleteBmcResponse {}))
    }

    #[tracing::instrument(name = "discovery.start_scan", skip_all)]
    async fn start_scan(
        &self,
        request: Request<StartScanRequest>,
    ) -> Result<Response<StartScanResponse>, Status> {
        let author = rpc::author(&request);
        let scan = request.into_inner().scan;
        let scan = scan.ok_or_else(|| rpc::invalid("scan", "it is missing"))?;
        discovery::scan::ScanPlan::of(&scan)
            .map_err(|invalid| rpc::invalid(&invalid.field, &invalid.problem))?;
        let job = jobs::create(&self.store, &author, job::Work::Scan(scan), Vec::new()).await?;
        Ok(Response::new(StartScanResponse { job }))
    }
}

/// The BMC at an address, which may be written without its port.
fn bmc_of(state: &State, text: &str) -> Result<Bmc, Error> {
    let parsed = text.parse::<redfish::Address>();
    let address = parsed.map_or_else(|_| text.to_owned(), |address| address.to_string());
    let found = state.discovery.bmc(&address).map(|bmc| Bmc::clone(bmc));
    found.ok_or_else(|| Error::NotFound {
        kind: "BMC".to_owned(),
        id: text.escape_debug().to_string(),
    })
}

/// The key that is believed from now on: it must be the one that was looked at.
fn key_to_trust(bmc: &Bmc, looked_at: &str) -> Result<String, Error> {
    let (address, shown) = (&bmc.address, &bmc.other_key_sha256);
    if shown.is_empty() {
        return Err(Error::Conflict {
            detail: format!(
                "the key of {address} has not changed since it was seen first; nothing is to be trusted"
            ),
        });
    }
    if looked_at.is_empty() || looked_at.eq_ignore_ascii_case(shown) {
        return Ok(shown.clone());
    }
    Err(Error::Conflict {
        detail: format!("{address} shows the key {shown} by now, not {looked_at}; look at it again"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_that_was_looked_at_is_trusted() {
        let bmc = |other: &str| Bmc {
            address: "10.1.0.7:443".to_owned(),
            key_sha256: "aa".to_owned(),
            other_key_sha256: other.to_owned(),
            ..Bmc::default()
        };
        assert_eq!(key_to_trust(&bmc("bb"), "").unwrap(), "bb");
        assert_eq!(key_to_trust(&bmc("bb"), "BB").unwrap(), "bb");
        let other = key_to_trust(&bmc("bb"), "cc").unwrap_err().to_string();
        assert!(other.contains("bb") && other.contains("cc"), "{other}");
        let same = key_to_trust(&bmc(""), "").unwrap_err();
        assert!(matches!(same, Error::Conflict { .. }), "{same}");
    }
}
