//! BSS's `/boot/v1/bootscript`: parse the question, look it up here, ask the majority before saying "unknown".

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::BootTokens;
use model::{BootContext, Xname};
use proto::bss::v1::{GetBootScriptRequest, boot_script_service_server};
use proto::google::api::HttpBody;
use proto::smd::v1::Component;
use raft::Store;
use rpc::{Caller, Error};
use state::State;
use tonic::{Request, Response, Status};

use crate::answer::{Answer, Found, Question, Terms};
use crate::data_source::Token;
use crate::lookup::Asked;
use crate::{Config, alternatives, boot_seen, go_number, legacy, s3};

/// Longest name in a question, bytes.
const NAME_BYTES_MAX: usize = 128;
/// Longest architecture in a question, bytes; iPXE's `${buildarch}` has at most eight.
const ARCH_BYTES_MAX: usize = 32;

/// When a node may ask again that this member has no script for; another one may have credentials.
const NO_SIGNER_RETRY_AFTER: Duration = Duration::from_secs(10);

/// Boot scripts for the nodes of this cluster.
#[derive(Clone, Debug)]
pub struct BootScriptService {
    store: Store,
    config: Config,
    tokens: Option<BootTokens>,
}

impl BootScriptService {
    /// A service that answers from `store`.
    #[must_use]
    pub fn new(store: Store, config: Config) -> BootScriptService {
        BootScriptService {
            store,
            config,
            tokens: None,
        }
    }

    /// The same, with `tokens` in its scripts, which open what is secret.
    #[must_use]
    pub fn with_tokens(self, tokens: BootTokens) -> BootScriptService {
        BootScriptService {
            tokens: Some(tokens),
            ..self
        }
    }

    /// What is known of the node that is asked for. What this member has it says at once; that it has nothing may
    /// only mean that it has not heard yet, so then the applied state is brought up to date first.
    async fn find(&self, question: &Question) -> Result<(Arc<State>, Found), Error> {
        let now_ms = self.store.cluster_time_ms();
        let look_up = |state: &State| Found::look_up(state, question).in_profile(state, now_ms);
        let state = self.store.state();
        let found = look_up(&state);
        if found.is_bootable() {
            return Ok((state, found));
        }
        self.store.linearize().await?;
        let state = self.store.state();
        let found = look_up(&state);
        Ok((state, found))
    }

    /// The token of the boot, if the TCP peer is the node that is asked for.
    fn token(
        &self,
        caller: &Caller,
        question: &Question,
        state: &State,
        found: &Found,
        boot_id: u64,
    ) -> Option<Token> {
        let (tokens, component) = (self.tokens.as_ref()?, found.component.as_deref()?);
        let now_ms = self.store.cluster_time_ms();
        let peer = caller.peer?.ip();
        Token::of(
            tokens,
            state,
            (component, &question.asked),
            peer,
            (boot_id, now_ms),
        )
    }

    /// The text with URLs for what is at `s3://`, good from now on.
    fn signed(&self, text: String) -> Result<String, Error> {
        match &self.config.s3 {
            _ if !s3::needs_signer(&text) => Ok(text),
            Some(signer) => Ok(signer.sign_all(&text, self.store.cluster_time_ms())),
            None => Err(Error::NotReady {
                retry_after: NO_SIGNER_RETRY_AFTER,
                reason: "an image of the node is at s3://, and this member has no [bss.s3] to sign with"
                    .to_owned(),
            }),
        }
    }
}

#[tonic::async_trait]
impl boot_script_service_server::BootScriptService for BootScriptService {
    #[tracing::instrument(name = "bss.boot_script", skip_all)]
    async fn get_boot_script(
        &self,
        request: Request<GetBootScriptRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let question = parse(request.get_ref())?;
        let context = self.store.boot_context(&request.get_ref().ctx).await?;
        let (state, found) = self.find(&question).await?;
        let caller = rpc::caller(&request);
        let boot_id = context.map_or_else(|| self.config.boot_ids.next(), |context| context.boot_id);
        let terms = Terms {
            base_url: base_url(&self.config, Some(caller), &state, found.component.as_deref())?,
            context: BootContext {
                revision: state.applied_index(),
                boot_id,
            },
            retry_delay: self.config.retry_delay,
            token: self.token(caller, &question, &state, &found, boot_id),
            urls: &self.config.urls,
        };
        match Answer::to(&question, &found, &terms, &state) {
            Answer::Script(text) => {
                let text = self.signed(text)?;
                let others = self.config.urls.alternatives(terms.base_url);
                let text = alternatives::spread(&text, terms.base_url, others);
                boot_seen::script(
                    &self.config.timeline,
                    rpc::caller(&request),
                    &state,
                    &found,
                    &terms,
                    text.len(),
                );
                Ok(body("text/plain; charset=UTF-8", text))
            }
            Answer::Json(text) => Ok(body("application/json; charset=UTF-8", self.signed(text)?)),
            Answer::NotConfigured(who) => Err(legacy::not_configured(&who)),
        }
    }
}

/// Where the node finds this cluster: by the connection that it asks over, if it does, else by its addresses.
pub(crate) fn base_url<'a>(
    config: &'a Config,
    caller: Option<&Caller>,
    state: &State,
    component: Option<&Component>,
) -> Result<&'a str, Error> {
    let of_connection = caller
        .into_iter()
        .flat_map(|caller| [caller.local, caller.peer])
        .flatten()
        .map(|address| address.ip());
    let of_node = component
        .into_iter()
        .flat_map(|component| addresses_of(state, component));
    config
        .urls
        .base_for(of_connection.chain(of_node))
        .ok_or_else(|| Error::Conflict {
            detail: "this member serves no boot network; ask a member with a [[network]] of kind boot"
                .to_owned(),
        })
}

fn addresses_of(state: &State, component: &Component) -> Vec<IpAddr> {
    let Ok(id) = component.id.parse::<Xname>() else {
        return Vec::new();
    };
    let interfaces = state.smd.interfaces_of(&id);
    interfaces
        .flat_map(|interface| {
            interface
                .ip_addresses
                .iter()
                .filter_map(|mapping| mapping.ip_address.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// `mac` before `name` before `nid`. What is echoed into a script is parsed here, so nothing else gets in.
fn parse(request: &GetBootScriptRequest) -> Result<Question, Status> {
    let asked = if !request.mac.is_empty() {
        Asked::Mac(
            request
                .mac
                .parse()
                .map_err(|problem| rpc::invalid("mac", problem))?,
        )
    } else if !request.name.is_empty() {
        Asked::Name(name(&request.name)?)
    } else {
        // BSS takes a NID that is no number for none.
        Asked::Nid(go_number::nid(&request.nid).ok_or_else(legacy::nobody_named)?)
    };
    check_arch(&request.arch)?;
    Ok(Question {
        asked,
        retry: request.retry.parse().unwrap_or(0),
        arch: request.arch.clone(),
        ts: request.ts.parse().ok(),
        json: request.json == "1",
    })
}

/// # Errors
/// `Invalid` for what is no word.
pub(crate) fn check_arch(arch: &str) -> Result<(), Error> {
    let is_arch = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if arch.len() <= ARCH_BYTES_MAX && arch.chars().all(is_arch) {
        return Ok(());
    }
    Err(rpc::invalid(
        "arch",
        "write letters, digits and `_`, e.g. x86_64 or arm64",
    ))
}

/// An xname in its normal form, or the key that the text is.
pub(crate) fn name(text: &str) -> Result<String, Error> {
    if let Ok(xname) = text.parse::<Xname>() {
        return Ok(xname.to_string());
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if text.len() <= NAME_BYTES_MAX && text.chars().all(is_name) {
        return Ok(text.to_owned());
    }
    Err(rpc::invalid(
        "name",
        format!("write an xname, or a key of at most {NAME_BYTES_MAX} letters, digits and -_.:"),
    ))
}

fn body(content_type: &str, text: String) -> Response<HttpBody> {
    Response::new(HttpBody {
        content_type: content_type.to_owned(),
        data: text.into_bytes(),
        extensions: Vec::new(),
    })
}
