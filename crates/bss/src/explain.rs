//! `ExplainBoot`: what a node would be answered now by BSS and by cloud-init, and why. Changes nothing.

use model::{BootContext, MacAddr, Xname};
use proto::boot_file::v1::Image;
use proto::bss::v1::{
    BootExplanation, ExplainBootRequest, InterfaceAddress, InterfaceAddresses, ParamOrigin,
    boot_explain_service_server,
};
use proto::smd::v1::component::Arch;
use proto::smd::v1::{Component, EthernetInterface};
use raft::Store;
use rpc::Error;
use state::{BootChoice, BootMatch, State};
use tonic::{Request, Response, Status};

use crate::answer::{Answer, Found, Question, Terms};
use crate::lookup::{self, Asked};
use crate::{Config, alternatives, boot_script, candidates, loaders};

/// What an unknown node is taken for, as most are.
const ARCH_DEFAULT: &str = "x86_64";

/// Explains boots.
#[derive(Clone, Debug)]
pub struct BootExplainService {
    store: Store,
    config: Config,
}

impl BootExplainService {
    /// A service that answers from `store`.
    #[must_use]
    pub fn new(store: Store, config: Config) -> BootExplainService {
        BootExplainService { store, config }
    }
}

#[tonic::async_trait]
impl boot_explain_service_server::BootExplainService for BootExplainService {
    #[tracing::instrument(level = "debug", name = "bss.explain_boot", skip_all)]
    async fn explain_boot(
        &self,
        request: Request<ExplainBootRequest>,
    ) -> Result<Response<BootExplanation>, Status> {
        let ExplainBootRequest { node, arch } = request.get_ref();
        boot_script::check_arch(arch)?;
        let asked = asked(node)?;
        let state = self.store.state();
        Ok(Response::new(explain(
            &state,
            &asked,
            arch,
            &self.config,
            self.store.cluster_time_ms(),
        )?))
    }
}

/// What parses as a MAC is one, another number is a NID, everything else a name.
fn asked(text: &str) -> Result<Asked, Error> {
    if text.is_empty() {
        return Err(rpc::invalid("node", "name a node by its xname, a MAC or its NID"));
    }
    if let Ok(mac) = text.parse() {
        return Ok(Asked::Mac(mac));
    }
    let nid = text.strip_prefix("nid").unwrap_or(text).parse();
    match nid {
        Ok(nid) => Ok(Asked::Nid(nid)),
        Err(_) => Ok(Asked::Name(boot_script::name(text)?)),
    }
}

fn explain(
    state: &State,
    asked: &Asked,
    arch: &str,
    config: &Config,
    now_ms: u64,
) -> Result<BootExplanation, Error> {
    let component = asked.component(state);
    let component = component.as_deref();
    let question = Question {
        asked: as_it_asks(state, asked, component),
        retry: 0,
        arch: said_arch(arch, component).to_owned(),
        ts: None,
        json: false,
    };
    let key = question.asked.key();
    let node = state.boot_node(&key, component, lookup::arch_of(&question.arch));
    let found = Found::look_up(state, &question).in_profile(state, now_ms);
    let (script, problem) = script(state, &question, &found, config)?;
    let (candidates, left_out) = candidates::of(state, &question.asked, component, &node);
    let xname = node.xname.as_ref();
    let instance = xname.and_then(|xname| state.cloud_init.instance(xname));
    let has_file = |label: &&str| {
        state
            .cloud_init
            .group(label)
            .is_some_and(|group| group.file.is_some())
    };
    let booted = found.choice.as_ref().map(BootChoice::booted);
    let image = booted.and_then(|booted| booted.image.as_deref());
    Ok(BootExplanation {
        node: xname.map(Xname::to_string).unwrap_or_default(),
        nid: component.and_then(|component| component.nid),
        role: node.role.to_owned(),
        sub_role: node.sub_role.to_owned(),
        arch: loaders::name(node.arch).to_owned(),
        groups: node.groups.iter().map(|label| (*label).to_owned()).collect(),
        candidates,
        left_out,
        kernel: booted
            .map(|booted| booted.kernel().into_owned())
            .unwrap_or_default(),
        initrd: booted
            .map(|booted| booted.initrd().into_owned())
            .unwrap_or_default(),
        params: found.choice.as_ref().map(origins).unwrap_or_default(),
        script,
        problem,
        interfaces: xname.map(|xname| interfaces(state, xname)).unwrap_or_default(),
        hostname: xname.map(|xname| state.hostname(xname)).unwrap_or_default(),
        instance_id: instance
            .map(|instance| instance.instance_id.clone())
            .unwrap_or_default(),
        group_files: node
            .groups
            .iter()
            .filter(|label| has_file(label))
            .map(|label| (*label).to_owned())
            .collect(),
        revision: state.applied_index(),
        image: image.map(|image| image.name.clone()).unwrap_or_default(),
        verified: image.map(verified).unwrap_or_default(),
        image_problem: image
            .filter(|image| !state::image_fits(image, node.arch))
            .map(|image| misfit(image, node.arch))
            .unwrap_or_default(),
        documents: xname
            .map(|xname| (config.documents)(state, &config.urls, xname, now_ms))
            .unwrap_or_default(),
    })
}

/// What of an image is checked by a signature.
fn verified(image: &Image) -> Vec<String> {
    let parts = [
        ("kernel", &image.kernel_signature),
        ("initrd", &image.initrd_signature),
    ];
    let signed = parts.into_iter().filter(|(_, signature)| signature.is_some());
    signed.map(|(part, _)| part.to_owned()).collect()
}

fn misfit(image: &Image, arch: Arch) -> String {
    format!(
        "the image {} is for {}, and this node is {}",
        image.name,
        image.arch,
        loaders::name(arch)
    )
}

/// How the node itself would ask: by a MAC, the one that has an address if there is one. A node without an interface
/// asks as it was asked for here.
fn as_it_asks(state: &State, asked: &Asked, component: Option<&Component>) -> Asked {
    let xname = component.and_then(|component| component.id.parse::<Xname>().ok());
    let (Some(xname), Asked::Name(_) | Asked::Nid(_)) = (xname, asked) else {
        return asked.clone();
    };
    let macs = || state.smd.interfaces_of(&xname);
    let with_address = macs().find(|interface| !interface.ip_addresses.is_empty());
    let mac = with_address.or_else(|| macs().next());
    let mac = mac.and_then(|interface| interface.mac_address.parse::<MacAddr>().ok());
    mac.map_or_else(|| asked.clone(), Asked::Mac)
}

/// What the node's iPXE would say of itself.
fn said_arch<'a>(given: &'a str, component: Option<&Component>) -> &'a str {
    match component.map(Component::arch) {
        _ if !given.is_empty() => given,
        Some(Arch::Arm) => "arm64",
        _ => ARCH_DEFAULT,
    }
}

/// The script as the node would get it in a boot with the id 0, and why it cannot boot, if it cannot.
fn script(
    state: &State,
    question: &Question,
    found: &Found,
    config: &Config,
) -> Result<(String, String), Error> {
    let terms = Terms {
        base_url: boot_script::base_url(config, None, state, found.component.as_deref())?,
        context: BootContext {
            revision: state.applied_index(),
            boot_id: 0,
        },
        retry_delay: config.retry_delay,
        token: None,
        urls: &config.urls,
    };
    let text = match Answer::to(question, found, &terms, state) {
        Answer::Script(text) | Answer::Json(text) => text,
        Answer::NotConfigured(_) => return Ok((String::new(), problem(question, found))),
    };
    let text = alternatives::spread(&text, terms.base_url, config.urls.alternatives(terms.base_url));
    let problem = match found.is_bootable() {
        true => String::new(),
        false => format!(
            "{}; it gets the script for unknown nodes of {}",
            problem(question, found),
            question.arch
        ),
    };
    Ok((text, problem))
}

fn problem(question: &Question, found: &Found) -> String {
    match (&found.component, &found.choice) {
        (None, _) => format!("SMD has no node {}", question.asked.key()),
        (Some(component), None) => format!("nothing selects {}", component.id),
        (Some(component), Some(choice)) => {
            format!(
                "{} selects {}, but there is no kernel",
                choice.winner.source.name(),
                component.id
            )
        }
    }
}

fn origins(choice: &BootChoice) -> Vec<ParamOrigin> {
    let parts: Vec<&BootMatch> = choice.parts().collect();
    let from = |word: state::ParamWord<'_>| match &parts[word.from].image {
        Some(image) if word.of_image => format!("image {}", image.name),
        _ => parts[word.from].source.name().to_owned(),
    };
    let origin = |word: state::ParamWord<'_>| ParamOrigin {
        word: word.word.to_owned(),
        from: from(word),
    };
    choice.words().into_iter().map(origin).collect()
}

/// What DHCP would give the node's interfaces.
fn interfaces(state: &State, node: &Xname) -> Vec<InterfaceAddresses> {
    let shown = |interface: &std::sync::Arc<EthernetInterface>| InterfaceAddresses {
        mac: interface.mac_address.clone(),
        addresses: interface
            .ip_addresses
            .iter()
            .map(|mapping| {
                let subnet = mapping.ip_address.parse().ok();
                let subnet = subnet.and_then(|address| state.dhcp.subnet_of(address));
                InterfaceAddress {
                    address: mapping.ip_address.clone(),
                    network: mapping.network.clone(),
                    subnet: subnet.map(|subnet| subnet.network.clone()).unwrap_or_default(),
                }
            })
            .collect(),
    };
    state.smd.interfaces_of(node).map(shown).collect()
}
