//! What a question for a boot script is answered, as a pure function of the state.

use std::borrow::Cow;
use std::sync::Arc;

use model::{BootContext, MacAddr, NodeUrls};
use proto::bss::v1::BootParametersEntry;
use proto::smd::v1::Component;
use serde::Serialize;
use state::{BootChoice, BootMatch, BootSource, State};

use crate::data_source::{self, Token};
use crate::ipxe::{self, Image, NodeWords, RetryDelay, Tries};
use crate::lookup::{self, Asked};

/// Where boot files are, at the service address.
const FILES: &str = "/files/";

/// A question of `/boot/v1/bootscript`, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Which node.
    pub(crate) asked: Asked,
    /// How often it has tried already.
    pub(crate) retry: u32,
    /// Its architecture; empty when it has not said.
    pub(crate) arch: String,
    /// The time stamp that an unknown node carries along, seconds since the Unix epoch.
    pub(crate) ts: Option<u64>,
    /// Wants JSON instead of a script.
    pub(crate) json: bool,
}

/// What comes from this member, not from the state.
#[derive(Clone, Debug)]
pub(crate) struct Terms<'a> {
    /// `http://<service address>:<port>` of the node's network.
    pub(crate) base_url: &'a str,
    /// Goes into the URLs of the script.
    pub(crate) context: BootContext,
    /// `bss.retry-delay-s`.
    pub(crate) retry_delay: RetryDelay,
    /// Opens what is secret of the node's cloud-init data, if whoever asks may have it.
    pub(crate) token: Option<Token>,
    /// Where nodes find this service: a `ds=` of the parameters that points there is given the token.
    pub(crate) urls: &'a NodeUrls,
}

/// What the state knows of the node that is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Its component, if SMD has it.
    pub(crate) component: Option<Arc<Component>>,
    /// What it boots.
    pub(crate) choice: Option<BootChoice>,
    /// What it boots depends on its architecture, and nobody knows that.
    pub(crate) asks_arch: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An iPXE script.
    Script(String),
    /// `json=1`.
    Json(String),
    /// The node cannot boot; the text says which.
    NotConfigured(String),
}

impl Found {
    /// Looks up the node and what it boots.
    pub(crate) fn look_up(state: &State, question: &Question) -> Found {
        let component = question.asked.component(state);
        let said = lookup::arch_of(&question.arch);
        let choice = lookup::choice_of(state, &question.asked, component.as_deref(), said);
        let asks_arch = component
            .as_deref()
            .is_some_and(|component| lookup::depends_on_arch(state, &question.asked, component, said));
        Found {
            component,
            choice,
            asks_arch,
        }
    }

    /// BSS calls every other node unknown: one that SMD has not, or that has no kernel.
    pub(crate) fn is_bootable(&self) -> bool {
        self.component.is_some() && self.choice.as_ref().is_some_and(has_kernel)
    }
}

fn has_kernel(choice: &BootChoice) -> bool {
    choice.booted().has_kernel()
}

impl Answer {
    /// The answer to `question`.
    pub(crate) fn to(question: &Question, found: &Found, terms: &Terms<'_>, state: &State) -> Answer {
        match (&found.component, &found.choice) {
            (Some(component), Some(choice)) if has_kernel(choice) && (question.json || !found.asks_arch) => {
                known(question, component, choice, terms, state)
            }
            _ => unknown(question, found.component.as_deref(), terms, state),
        }
    }
}

fn known(
    question: &Question,
    component: &Component,
    choice: &BootChoice,
    terms: &Terms<'_>,
    state: &State,
) -> Answer {
    let asked_mac = match question.asked {
        Asked::Mac(mac) => Some(mac),
        Asked::Name(_) | Asked::Nid(_) => None,
    };
    let words = NodeWords {
        xname: &component.id,
        nid: component.nid,
        referral_token: choice.referral_token(),
        boot_mac: asked_mac,
        data_source: &data_source(terms),
    };
    let params = terms.token.as_ref();
    let params = params.map(|_| data_source::with_own(choice.params(), terms.urls, words.data_source));
    let node = match first_mac(state, component, asked_mac) {
        Some(mac) => format!("mac={mac}"),
        None => format!("name={}", component.id),
    };
    let booted = choice.booted();
    let signature = |path: Option<String>| path.map(|path| at_service(&path, terms)).unwrap_or_default();
    let image = Image {
        kernel: &fetched(booted, booted.kernel(), terms),
        initrd: &fetched(booted, booted.initrd(), terms),
        params: params.as_deref().unwrap_or_else(|| choice.params()),
        kernel_signature: &signature(booted.kernel_signature()),
        initrd_signature: &signature(booted.initrd_signature()),
    };
    finish(
        question,
        image,
        words,
        terms,
        &format!(
            "{node}&retry={}{}",
            question.retry.saturating_add(1),
            said_again(question, component, choice)
        ),
    )
}

/// The architecture that the node has told, where what it boots may depend on it. Entries of BSS v1 do not, and their text is
/// BSS's.
fn said_again(question: &Question, component: &Component, choice: &BootChoice) -> String {
    let is_unknown = lookup::is_unknown(component.arch());
    let is_of_bss = matches!(choice.winner.source, BootSource::Parameters(_));
    match question.arch.as_str() {
        "" => String::new(),
        _ if is_of_bss || !is_unknown => String::new(),
        arch => format!("&arch={arch}"),
    }
}

fn unknown(question: &Question, component: Option<&Component>, terms: &Terms<'_>, state: &State) -> Answer {
    // Cluster time, so that the answer depends on the state alone; nobody reads it.
    let ts = question.ts.unwrap_or(state.time_ms() / 1000);
    let query = format!(
        "{}&arch=${{buildarch}}&ts={ts}",
        unknown_node(&question.asked, component, state)
    );
    let entry = lookup::entry_of_unknown(state, &question.arch).filter(|entry| !entry.kernel.is_empty());
    let words = NodeWords {
        data_source: &data_source(terms),
        ..NodeWords::default()
    };
    match entry {
        _ if question.arch.is_empty() && !question.json => Answer::Script(ipxe::ask_architecture(
            terms.retry_delay,
            terms.context.boot_id,
            &url(terms, &query),
        )),
        Some(entry) => {
            let query = match terms.retry_delay {
                RetryDelay::Growing => format!("{query}&retry={}", question.retry.saturating_add(1)),
                RetryDelay::Fixed(_) => query,
            };
            finish(question, image(&entry), words, terms, &query)
        }
        None if question.json => finish(question, Image::default(), words, terms, &query),
        None => Answer::NotConfigured(description(question, component)),
    }
}

/// Renders the script, or the JSON form of the same.
fn finish(
    question: &Question,
    image: Image<'_>,
    words: NodeWords<'_>,
    terms: &Terms<'_>,
    query: &str,
) -> Answer {
    let line = ipxe::command_line(image, words);
    if question.json {
        return Answer::Json(json(image, &line));
    }
    let retry_url = match terms.retry_delay {
        RetryDelay::Growing => format!("{}&ctx={}", url(terms, query), terms.context),
        RetryDelay::Fixed(_) => url(terms, query),
    };
    Answer::Script(ipxe::boot(
        image,
        &line,
        terms.retry_delay,
        Tries {
            retry: question.retry,
            boot_id: terms.context.boot_id,
        },
        &retry_url,
    ))
}

fn url(terms: &Terms<'_>, query: &str) -> String {
    format!("{}/boot/v1/bootscript?{query}", terms.base_url)
}

fn data_source(terms: &Terms<'_>) -> String {
    data_source::url(terms.base_url, &terms.context, terms.token.as_ref())
}

/// The URL that a node fetches: a boot configuration may name a boot file by its path, and has the parts of its image so. What
/// BSS's clients have stored stays as it is.
fn fetched<'a>(booted: &BootMatch, url: Cow<'a, str>, terms: &Terms<'_>) -> Cow<'a, str> {
    match booted.source {
        BootSource::Configuration(_) | BootSource::Rollout(..) if url.starts_with(FILES) => {
            at_service(&url, terms).into()
        }
        _ => url,
    }
}

fn at_service(path: &str, terms: &Terms<'_>) -> String {
    format!("{}{path}", terms.base_url)
}

fn image(entry: &BootParametersEntry) -> Image<'_> {
    Image {
        kernel: &entry.kernel,
        initrd: &entry.initrd,
        params: &entry.params,
        ..Image::default()
    }
}

/// The MAC that the node asked with, or its first one.
fn first_mac(state: &State, component: &Component, asked: Option<MacAddr>) -> Option<MacAddr> {
    asked.or_else(|| lookup::macs_of(state, component).first().copied())
}

/// How an unknown node is named when it asks again: by MAC if there is one, else as it asked.
fn unknown_node(asked: &Asked, component: Option<&Component>, state: &State) -> String {
    if let Asked::Mac(mac) = asked {
        return format!("mac={mac}");
    }
    match (
        component.and_then(|component| first_mac(state, component, None)),
        asked,
        component,
    ) {
        (Some(mac), _, _) => format!("mac={mac}"),
        (None, Asked::Nid(nid), None) => format!("nid={nid}"),
        (None, _, Some(component)) => format!("name={}", component.id),
        (None, _, None) => format!("name={}", asked.key()),
    }
}

/// As BSS names the node in its 404.
fn description(question: &Question, component: Option<&Component>) -> String {
    let id = component.map(|component| component.id.as_str());
    let who = match (&question.asked, id) {
        (Asked::Mac(mac), Some(id)) => format!("MAC {mac} ({id})"),
        (Asked::Mac(mac), None) => format!("MAC {mac}"),
        (Asked::Name(name), _) => name.clone(),
        (Asked::Nid(nid), Some(id)) => format!("NID {nid} ({id})"),
        (Asked::Nid(nid), None) => format!("NID {nid}"),
    };
    format!("Unknown {who} architecture {}", question.arch)
}

/// `json=1` of BSS.
fn json(image: Image<'_>, command_line: &str) -> String {
    #[derive(Serialize)]
    struct Path<'a> {
        path: &'a str,
    }
    #[derive(Serialize)]
    struct Script<'a> {
        params: String,
        kernel: Path<'a>,
        initrd: Path<'a>,
    }
    let script = Script {
        params: format!("kernel {command_line}"),
        kernel: Path { path: image.kernel },
        initrd: Path { path: image.initrd },
    };
    let text = serde_json::to_string(&script).expect("texts only: JSON cannot fail");
    format!("{text}\n")
}
