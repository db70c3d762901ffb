//! `chamois component set`.

use clap::{ArgGroup, Args};
use proto::smd::v1::bulk_patch_nid_request::ComponentNid;
use proto::smd::v1::component::{Arch, Class, Flag, State};
use proto::smd::v1::component_patch_service_client::ComponentPatchServiceClient;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::{
    BulkPatchEnabledRequest, BulkPatchFlagOnlyRequest, BulkPatchNidRequest, BulkPatchRoleRequest,
    BulkPatchSoftwareStatusRequest, BulkPatchStateDataRequest, CreateComponentsRequest,
    ListComponentsRequest, PatchComponentsResponse,
};
use rpc::client::{ExactlyOnce, ONLY_TRIED};
use serde_json::{Value, json};
use tonic::{Code, Response, Status};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::{CliError, Kind};
use crate::fold::fold;
use crate::nodes::{self, Nodes};
use crate::output;

/// Names of refused components that stand in an error, at most; the cluster tells the first 10,000.
const REASONS_MAX: usize = 10;

/// `chamois component set`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
#[command(after_help = "\
Examples:
  chamois component set 'x1000c0s[0-7]b0n0' --role Compute --subrole Worker
  chamois component set @rack1 --enabled false
  chamois component set x1000c0s0b0n0 --state Off --force
  chamois component set 'x1000c0s[0-7]b0n0' --nid 1     1 for the first, and so on

Each property is one change of all of them, in the order of the options below. A state that does not follow the present one is refused
for that component alone, unless --force: the others are set, and exit code 7 says so.")]
pub struct SetArgs {
    /// Xnames, host names, nodesets, @groups
    #[arg(required = true, value_name = "NODES", value_parser = nodes::nodes)]
    pub nodes: Vec<Nodes>,
    /// State, e.g. Ready; sets the flag, too: OK unless --flag says another
    #[arg(long, group = "what", value_parser = super::words::state)]
    pub state: Option<State>,
    /// From any state to any other
    #[arg(long, requires = "state")]
    pub force: bool,
    /// Flag, e.g. OK
    #[arg(long, group = "what", value_parser = super::words::flag)]
    pub flag: Option<Flag>,
    /// Whether they are to be used
    #[arg(long, group = "what", value_name = "BOOL")]
    pub enabled: Option<bool>,
    /// Role, e.g. Compute; takes the subrole away unless --subrole says one
    #[arg(long, group = "what")]
    pub role: Option<String>,
    /// Subrole, e.g. Worker
    #[arg(
        long = "subrole",
        requires = "role",
        default_value = "",
        hide_default_value = true
    )]
    pub sub_role: String,
    /// Node id of the first; each of the others gets the next one
    #[arg(long, group = "what")]
    pub nid: Option<u64>,
    /// Architecture, e.g. X86
    #[arg(long, group = "what", value_parser = super::words::arch)]
    pub arch: Option<Arch>,
    /// How the cabinet is built, e.g. River
    #[arg(long, group = "what", value_parser = super::words::class)]
    pub class: Option<Class>,
    /// Free text of the software that manages them
    #[arg(long, group = "what", value_name = "TEXT")]
    pub software_status: Option<String>,
}

pub(super) async fn run(global: &GlobalArgs, args: SetArgs) -> Result<(), CliError> {
    let found = nodes::resolve(global, &args.nodes).await?;
    let ids: Vec<String> = found.iter().map(ToString::to_string).collect();
    let mut set = Set {
        connection: connect::to_any(global)?,
        args: &args,
        ids: &ids,
        told: Told::default(),
    };
    match set.all().await {
        Ok(()) => set.told.end(global),
        Err(error) => Err(set.told.broken_off(error)),
    }
}

/// Sets one property after the other.
struct Set<'a> {
    connection: ExactlyOnce,
    args: &'a SetArgs,
    ids: &'a [String],
    told: Told,
}

impl Set<'_> {
    async fn all(&mut self) -> Result<(), CliError> {
        let mut client = ComponentPatchServiceClient::new(self.connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX);
        let ids = self.ids;
        let component_ids = || ids.to_vec();
        let args = self.args;
        if let Some(state) = args.state {
            let request = BulkPatchStateDataRequest {
                component_ids: component_ids(),
                state: state.into(),
                flag: args.flag.unwrap_or(Flag::Ok).into(),
                force: args.force,
            };
            self.told
                .add("state", client.bulk_patch_state_data(request).await)?;
        } else if let Some(flag) = args.flag {
            let request = BulkPatchFlagOnlyRequest {
                component_ids: component_ids(),
                flag: flag.into(),
            };
            self.told
                .add("flag", client.bulk_patch_flag_only(request).await)?;
        }
        if args.enabled.is_some() {
            let request = BulkPatchEnabledRequest {
                component_ids: component_ids(),
                enabled: args.enabled,
            };
            self.told
                .add("enabled", client.bulk_patch_enabled(request).await)?;
        }
        if let Some(role) = &args.role {
            let request = BulkPatchRoleRequest {
                component_ids: component_ids(),
                role: role.clone(),
                sub_role: args.sub_role.clone(),
            };
            self.told.add("role", client.bulk_patch_role(request).await)?;
        }
        if let Some(first) = args.nid {
            let components = numbered(self.ids, first);
            let request = BulkPatchNidRequest { components };
            self.told.add("NID", client.bulk_patch_nid(request).await)?;
        }
        if args.arch.is_some() || args.class.is_some() {
            self.hardware().await?;
        }
        if args.software_status.is_some() {
            let request = BulkPatchSoftwareStatusRequest {
                component_ids: component_ids(),
                software_status: args.software_status.clone(),
            };
            self.told.add(
                "software status",
                client.bulk_patch_software_status(request).await,
            )?;
        }
        Ok(())
    }

    /// SMD sets architecture and class only together with what else it overwrites: all of that is written as it was read, at the
    /// revisions that were read.
    async fn hardware(&mut self) -> Result<(), CliError> {
        if self.ids.is_empty() {
            // a list without a filter has all of them
            return Ok(());
        }
        let mut client =
            ComponentServiceClient::new(self.connection.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let request = ListComponentsRequest {
            id: self.ids.to_vec(),
            ..ListComponentsRequest::default()
        };
        let mut components = client.list_components(request).await?.into_inner().components;
        let revision = |meta: &Option<proto::http::v1::ObjectMeta>| {
            let modified = meta.as_ref().and_then(|meta| meta.modified.as_ref());
            modified.map_or(0, |change| change.revision)
        };
        let if_revisions = components.iter().map(|one| revision(&one.meta)).collect();
        for component in &mut components {
            component.arch = self.args.arch.map_or(component.arch, Into::into);
            component.class = self.args.class.map_or(component.class, Into::into);
            component.meta = None;
        }
        let request = CreateComponentsRequest {
            components,
            force: true,
            if_revisions,
            ..CreateComponentsRequest::default()
        };
        let answer = client.create_components(request).await;
        let answer = answer.map(|answer| {
            let answer = answer.into_inner();
            Response::new(PatchComponentsResponse {
                revision: answer.revision,
                applied: answer.updated,
                unchanged: answer.unchanged,
                ..PatchComponentsResponse::default()
            })
        });
        self.told.add("architecture and class", answer)
    }
}

/// Each with its node id, in the order in which they were named.
fn numbered(ids: &[String], first: u64) -> Vec<ComponentNid> {
    let nids = first..;
    let ids = ids.iter().zip(nids);
    ids.map(|(id, nid)| ComponentNid {
        id: id.clone(),
        nid: Some(nid),
    })
    .collect()
}

/// What became of each property.
#[derive(Debug, Default)]
struct Told {
    answers: Vec<(&'static str, PatchComponentsResponse)>,
}

impl Told {
    /// A write that was tried out is told by the connection, and the next one is tried.
    fn add(
        &mut self,
        what: &'static str,
        answer: Result<Response<PatchComponentsResponse>, Status>,
    ) -> Result<(), CliError> {
        match answer {
            Ok(answer) => self.answers.push((what, answer.into_inner())),
            Err(status) if status.code() == Code::Cancelled && status.message() == ONLY_TRIED => {}
            Err(status) => return Err(status.into()),
        }
        Ok(())
    }

    fn end(&self, global: &GlobalArgs) -> Result<(), CliError> {
        if self.answers.is_empty() {
            return Ok(());
        }
        output::done_value(global, &self.json(), || self.lines().join("\n"))?;
        let refused: u64 = self.answers.iter().map(|(_, answer)| answer.refused_count).sum();
        if refused == 0 {
            return Ok(());
        }
        let all = self.answers.iter().flat_map(|(_, answer)| &answer.refused);
        let names = fold(all.clone().map(|one| one.id.as_str())).join(",");
        let reasons: Vec<String> = all
            .take(REASONS_MAX)
            .map(|one| format!("\n  {}: {}", one.id, one.reason))
            .collect();
        let done = self
            .answers
            .iter()
            .any(|(_, answer)| !answer.applied.is_empty() || !answer.unchanged.is_empty());
        let kind = if done { Kind::Partly } else { Kind::Conflict };
        Err(CliError::new(
            kind,
            format!("refused for {names}{}", reasons.concat()),
        ))
    }

    /// Properties before it are set.
    fn broken_off(&self, error: CliError) -> CliError {
        match self.answers.is_empty() {
            true => error,
            false => CliError::new(
                Kind::Partly,
                format!("{error}\ndone before it:\n  {}", self.lines().join("\n  ")),
            ),
        }
    }

    fn lines(&self) -> Vec<String> {
        let line = |(what, answer): &(&str, PatchComponentsResponse)| {
            let names = fold(answer.applied.iter().map(String::as_str)).join(",");
            let unchanged = match answer.unchanged.len() {
                0 => String::new(),
                same => format!(", {same} unchanged"),
            };
            match names.as_str() {
                "" => format!("{what}: none changed{unchanged}"),
                names => format!("{what} of {names} set{unchanged} (revision {})", answer.revision),
            }
        };
        self.answers.iter().map(line).collect()
    }

    fn json(&self) -> Value {
        let row = |(what, answer): &(&str, PatchComponentsResponse)| {
            let refused = answer.refused.iter();
            let refused: Vec<Value> = refused
                .map(|one| json!({ "id": one.id, "reason": one.reason }))
                .collect();
            json!({
                "property": what, "applied": answer.applied, "unchanged": answer.unchanged, "refused": refused,
                "revision": answer.revision,
            })
        };
        Value::Array(self.answers.iter().map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proto::smd::v1::patch_components_response::Refusal;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        set: SetArgs,
    }

    fn parse(line: &str) -> Result<SetArgs, String> {
        let line = Line::try_parse_from(format!("set {line}").split_whitespace());
        line.map(|line| line.set).map_err(|error| error.to_string())
    }

    #[test]
    fn something_must_be_set_and_words_are_smds() {
        let set = parse("x0c0s0b0n0 --state ready --enabled false --role Compute").unwrap();
        assert_eq!((set.state, set.enabled), (Some(State::Ready), Some(false)));
        for line in [
            "x0c0s0b0n0",
            "x0c0s0b0n0 --subrole Worker",
            "x0c0s0b0n0 --force --enabled true",
            "x0c0s0b0n0 --class Plains",
            "--enabled true",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn node_ids_go_on_from_the_first() {
        let ids = ["x0c0s0b0n0".to_owned(), "x0c0s1b0n0".to_owned()];
        let nids: Vec<_> = numbered(&ids, 7).into_iter().map(|one| one.nid).collect();
        assert_eq!(nids, [Some(7), Some(8)]);
    }

    fn answer(applied: &[&str], refused: &[&str]) -> Result<Response<PatchComponentsResponse>, Status> {
        Ok(Response::new(PatchComponentsResponse {
            revision: 9,
            applied: applied.iter().map(|id| (*id).to_owned()).collect(),
            refused: refused
                .iter()
                .map(|id| Refusal {
                    id: (*id).to_owned(),
                    reason: "it is Ready".into(),
                })
                .collect(),
            refused_count: refused.len() as u64,
            ..PatchComponentsResponse::default()
        }))
    }

    #[test]
    fn those_that_were_refused_are_folded_and_the_others_set() {
        let mut told = Told::default();
        told.add("state", answer(&["x0c0s0b0n0"], &["x0c0s1b0n0", "x0c0s2b0n0"]))
            .unwrap();
        assert_eq!(told.lines(), ["state of x0c0s0b0n0 set (revision 9)"]);
        let error = told.end(&GlobalArgs::default()).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert!(
            error.to_string().contains("x0c0s[1-2]b0n0") && error.to_string().contains("it is Ready"),
            "{error}"
        );
    }

    #[test]
    fn a_failure_says_what_was_set_before_it() {
        let mut told = Told::default();
        told.add("role", answer(&["x0c0s0b0n0"], &[])).unwrap();
        let error = told.broken_off(Status::already_exists("NID 7 is taken").into());
        assert_eq!(error.exit_code(), 7);
        assert!(error.to_string().contains("role of x0c0s0b0n0 set"), "{error}");
        told.add("NID", Err(Status::cancelled(ONLY_TRIED))).unwrap();
        // a member that gave up has set nothing
        assert!(told.add("NID", Err(Status::cancelled("gave up"))).is_err());
    }
}
