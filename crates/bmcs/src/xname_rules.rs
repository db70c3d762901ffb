//! Rules that give BMCs their xnames.

use proto::discovery::v1::discovery_command::{self, Change};
use proto::discovery::v1::{
    DeleteXnameRuleRequest, DeleteXnameRuleResponse, ListXnameRulesRequest, ListXnameRulesResponse,
    PutXnameRuleRequest, XnameRule, xname_rule_service_server,
};
use raft::Store;
use rpc::Error;
use tonic::{Request, Response, Status};

use crate::propose::propose;

/// Shows and changes the rules.
#[derive(Clone, Debug)]
pub struct XnameRuleService {
    store: Store,
}

impl XnameRuleService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> XnameRuleService {
        XnameRuleService { store }
    }
}

#[tonic::async_trait]
impl xname_rule_service_server::XnameRuleService for XnameRuleService {
    #[tracing::instrument(level = "debug", name = "discovery.list_xname_rules", skip_all)]
    async fn list_xname_rules(
        &self,
        _: Request<ListXnameRulesRequest>,
    ) -> Result<Response<ListXnameRulesResponse>, Status> {
        let state = self.store.state();
        let rules = state.discovery.rules().map(|rule| XnameRule::clone(rule));
        Ok(Response::new(ListXnameRulesResponse {
            rules: rules.collect(),
        }))
    }

    #[tracing::instrument(name = "discovery.put_xname_rule", skip_all)]
    async fn put_xname_rule(
        &self,
        request: Request<PutXnameRuleRequest>,
    ) -> Result<Response<XnameRule>, Status> {
        let author = rpc::author(&request);
        let PutXnameRuleRequest { rule, if_revision } = request.into_inner();
        let rule = rule.ok_or_else(|| rpc::invalid("rule", "it is missing"))?;
        discovery::identity::check_rule(&rule)
            .map_err(|invalid| rpc::invalid(&invalid.field, &invalid.problem))?;
        let name = rule.name.clone();
        let put = discovery_command::PutXnameRule {
            rule: Some(rule),
            if_revision,
        };
        propose(&self.store, &author, Change::PutXnameRule(put)).await?;
        let state = self.store.state_after(&author);
        let stored = state.discovery.rule(&name);
        let stored = stored
            .map(|rule| XnameRule::clone(rule))
            .ok_or_else(|| deleted(&name))?;
        Ok(Response::new(XnameRule {
            meta: author.told_meta(stored.meta),
            ..stored
        }))
    }

    #[tracing::instrument(name = "discovery.delete_xname_rule", skip_all, fields(name = ?request.get_ref().name))]
    async fn delete_xname_rule(
        &self,
        request: Request<DeleteXnameRuleRequest>,
    ) -> Result<Response<DeleteXnameRuleResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteXnameRuleRequest { name } = request.into_inner();
        let delete = discovery_command::DeleteXnameRule { name };
        propose(&self.store, &author, Change::DeleteXnameRule(delete)).await?;
        Ok(Response::new(DeleteXnameRuleResponse {}))
    }
}

fn deleted(name: &str) -> Error {
    Error::Conflict {
        detail: format!("{name} was deleted by someone else"),
    }
}
