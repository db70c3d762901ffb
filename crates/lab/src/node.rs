//! One node's life, from power-on to phone-home.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use model::{MacAddr, Xname};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::cloud_init::CloudInit;
use crate::dhcp_client::DhcpClient;
use crate::fleet::FleetConfig;
use crate::http_client::{FileDigest, HttpClient, IPXE};
use crate::outage::Outage;
use crate::phase::{Phase, Progress};
use crate::relay::Relay;
use crate::report::{NodeFailure, NodeReport};
use crate::rng::Rng;
use crate::script::{Command, Run, Script, Step, expand_bootfile};
use crate::url::Url;

/// Scripts that may call each other; a retry adds one.
const SCRIPT_DEPTH_MAX: usize = 64;

/// Times that firmware tries the network before the node counts as failed.
const NETWORK_BOOTS_MAX: u32 = 5;
/// What firmware needs until it asks for an address again, seconds; real machines take longer.
const NETWORK_BOOT_PAUSE_S: u32 = 5;

/// What is known of a node before it is switched on, and what it must be told.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Its component.
    pub xname: Xname,
    /// MAC of its boot NIC.
    pub mac: MacAddr,
    /// Its NID.
    pub nid: u64,
    /// The address that DHCP must give it.
    pub address: Ipv4Addr,
    /// The hostname that cloud-init must give it.
    pub hostname: String,
}

/// What all nodes of a fleet share.
pub(crate) struct Site {
    pub(crate) config: FleetConfig,
    pub(crate) relay: Relay,
    pub(crate) progress: watch::Sender<Progress>,
}

/// Boots one node and says how it went; never longer than `node_time_max`.
pub(crate) async fn live(site: Arc<Site>, node: NodeSpec, seed: u64) -> NodeReport {
    let began = Instant::now();
    let mut boot = Boot {
        site: &site,
        node: &node,
        phase: Phase::Dhcp,
        furthest: None,
        outage: Outage::default(),
        rng: Rng::new(seed),
        script_latencies: Vec::new(),
        phase_ends: [None; 6],
        began,
    };
    let limit = site.config.node_time_max;
    let result = match timeout(limit, Box::pin(boot.run())).await {
        Ok(result) => result,
        Err(_) => Err(format!("not up after {limit:?}")),
    };
    let failure = result.err().map(|reason| NodeFailure {
        xname: node.xname.to_string(),
        phase: boot.phase,
        reason,
    });
    NodeReport {
        xname: node.xname.to_string(),
        seconds: began.elapsed().as_secs_f64(),
        extra_seconds: boot.outage.total().as_secs_f64(),
        phase_end_seconds: boot.phase_ends.map(|end| end.map(|end| end.as_secs_f64())),
        script_latencies: boot.script_latencies,
        failure,
    }
}

/// What a kernel would find in memory and on its command line.
#[derive(Default)]
struct Loaded {
    kernel: Option<Vec<String>>,
    initrd: bool,
}

impl Loaded {
    /// The kernel's command line, if everything is there.
    fn boot(self) -> Result<Vec<String>, String> {
        match self {
            Loaded {
                kernel: Some(words),
                initrd: true,
            } => Ok(words),
            Loaded { kernel, initrd } => Err(format!(
                "boot with a kernel: {}, with an initrd: {initrd}",
                kernel.is_some()
            )),
        }
    }
}

/// How iPXE ended.
enum Ipxe {
    /// It started a kernel with this command line.
    Booted(Vec<String>),
    /// It gave the machine back to the firmware, for this reason.
    HandedBack(&'static str),
}

struct Boot<'a> {
    site: &'a Site,
    node: &'a NodeSpec,
    phase: Phase,
    furthest: Option<Phase>,
    outage: Outage,
    rng: Rng,
    script_latencies: Vec<Duration>,
    phase_ends: [Option<Duration>; 6],
    began: Instant,
}

impl Boot<'_> {
    async fn run(&mut self) -> Result<(), String> {
        let (address, command_line) = self.network_boot().await?;
        self.phase = Phase::CloudInit;
        let base = self.data_source(&command_line)?;
        let cloud_init = CloudInit {
            node: self.node,
            address,
            pace: self.site.config.pace,
        };
        let documents = cloud_init
            .documents(&base, &mut self.outage)
            .await
            .map_err(|error| error.to_string())?;
        self.complete(Phase::CloudInit);
        self.phase = Phase::PhoneHome;
        if let Some(url) = &documents.phone_home {
            self.on_service_address("phone_home", url)?;
            cloud_init
                .phone_home(url, &documents, &mut self.outage)
                .await
                .map_err(|error| error.to_string())?;
        }
        self.complete(Phase::PhoneHome);
        Ok(())
    }

    /// Firmware: boots from the network, again and again if iPXE hands back.
    async fn network_boot(&mut self) -> Result<(Ipv4Addr, Vec<String>), String> {
        let mut handed_back = "";
        for attempt in 0..NETWORK_BOOTS_MAX {
            if attempt > 0 {
                sleep(self.site.config.pace.seconds(NETWORK_BOOT_PAUSE_S)).await;
            }
            self.phase = Phase::Dhcp;
            let (address, script) = self.dhcp().await?;
            match self.ipxe(address, script).await? {
                Ipxe::Booted(command_line) => return Ok((address, command_line)),
                Ipxe::HandedBack(reason) => handed_back = reason,
            }
        }
        Err(format!("{NETWORK_BOOTS_MAX} network boots, and {handed_back}"))
    }

    async fn dhcp(&mut self) -> Result<(Ipv4Addr, Url), String> {
        let client = DhcpClient {
            relay: &self.site.relay,
            mac: self.node.mac,
            expected: self.node.address,
            pace: self.site.config.pace,
        };
        let lease = client
            .acquire(&mut self.rng, &mut self.outage)
            .await
            .map_err(|error| error.to_string())?;
        let script = expand_bootfile(&lease.bootfile, self.node.mac);
        let script = script
            .parse::<Url>()
            .map_err(|error| format!("option 67: {error}"))?;
        self.on_service_address("option 67", &script)?;
        self.complete(Phase::Dhcp);
        Ok((lease.address, script))
    }

    /// Runs scripts until one boots, or until iPXE has none left to run.
    async fn ipxe(&mut self, address: Ipv4Addr, script: Url) -> Result<Ipxe, String> {
        let mut http = HttpClient::new(address, IPXE, self.site.config.pace);
        let mut scripts: Vec<Run> = Vec::new();
        let mut loaded = Loaded::default();
        self.phase = Phase::Script;
        let mut last = self.chain(&mut http, &script, &mut scripts).await?;
        if last.is_err() {
            return Ok(Ipxe::HandedBack("the first script could not be had"));
        }
        while let Some(run) = scripts.last_mut() {
            match run.next(last) {
                Step::Do(Command::Boot) => {
                    return self.check_command_line(loaded.boot()?).map(Ipxe::Booted);
                }
                Step::Do(command) => {
                    last = self
                        .perform(&mut http, command, &mut scripts, &mut loaded)
                        .await?
                }
                Step::End { failed: true } => {
                    scripts.pop();
                    last = Err(());
                }
                Step::End { failed: false } => return Err("the boot script ended without booting".to_owned()),
                Step::Endless => return Err("the boot script goes round in circles".to_owned()),
            }
        }
        Ok(Ipxe::HandedBack("the boot script gave up"))
    }

    /// `Ok(Err(()))` is a failure that the script may handle; `Err` is one that nothing may hide.
    async fn perform(
        &mut self,
        http: &mut HttpClient,
        command: Command,
        scripts: &mut Vec<Run>,
        loaded: &mut Loaded,
    ) -> Result<Result<(), ()>, String> {
        let config = &self.site.config;
        match command {
            Command::Kernel { url, words } => {
                let done = self.file(http, Phase::Kernel, &url, config.kernel).await?;
                loaded.kernel = done.is_ok().then_some(words);
                Ok(done)
            }
            Command::Initrd { url } => {
                let done = self.file(http, Phase::Initrd, &url, config.initrd).await?;
                loaded.initrd = done.is_ok();
                Ok(done)
            }
            Command::Sleep(seconds) => {
                sleep(config.pace.seconds(seconds)).await;
                Ok(Ok(()))
            }
            Command::Chain(url) => {
                self.phase = Phase::Script;
                self.on_service_address("chain", &url)?;
                self.chain(http, &url, scripts).await
            }
            Command::Boot | Command::Goto(_) | Command::Exit => unreachable!("handled where scripts are run"),
        }
    }

    async fn chain(
        &mut self,
        http: &mut HttpClient,
        url: &Url,
        scripts: &mut Vec<Run>,
    ) -> Result<Result<(), ()>, String> {
        if scripts.len() >= SCRIPT_DEPTH_MAX {
            return Err(format!("{SCRIPT_DEPTH_MAX} boot scripts and still not booted"));
        }
        let (text, took) = match http.document(url, &mut self.outage).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(xname = %self.node.xname, %error, "no script");
                return Ok(Err(()));
            }
        };
        self.script_latencies.push(took.0);
        let text = std::str::from_utf8(&text).map_err(|_| "the boot script is not UTF-8".to_owned())?;
        let script =
            Script::parse(text, self.node.mac).map_err(|error| format!("bad boot script: {error}"))?;
        scripts.push(script.run());
        self.complete(Phase::Script);
        Ok(Ok(()))
    }

    async fn file(
        &mut self,
        http: &mut HttpClient,
        phase: Phase,
        url: &Url,
        expected: FileDigest,
    ) -> Result<Result<(), ()>, String> {
        self.phase = phase;
        match http.file(url, &mut self.outage).await {
            Ok(digest) if digest == expected => {
                self.complete(phase);
                Ok(Ok(()))
            }
            Ok(digest) => Err(format!(
                "{url} is {digest:?}, not {expected:?}: a damaged file would have been booted"
            )),
            Err(error) => {
                tracing::debug!(xname = %self.node.xname, phase = phase.as_str(), %error, "no file");
                Ok(Err(()))
            }
        }
    }

    /// Whether the kernel is told that it is this node.
    fn check_command_line(&self, words: Vec<String>) -> Result<Vec<String>, String> {
        let expected = [
            ("xname=", self.node.xname.to_string()),
            ("nid=", self.node.nid.to_string()),
            ("BOOTIF=01-", self.node.mac.dashes()),
        ];
        for (prefix, own) in expected {
            let found = words.iter().find_map(|word| word.strip_prefix(prefix));
            if found != Some(own.as_str()) {
                let found = found.unwrap_or("missing");
                return Err(format!(
                    "{prefix}… is {found:?}, this node's is {own:?}: another node's command line"
                ));
            }
        }
        Ok(words)
    }

    /// The URL of `ds=nocloud…;s=URL`.
    fn data_source(&self, command_line: &[String]) -> Result<Url, String> {
        let data_source = command_line
            .iter()
            .find_map(|word| word.strip_prefix("ds=nocloud"));
        let url = data_source.and_then(|rest| rest.split(';').find_map(|part| part.strip_prefix("s=")));
        let url = url.ok_or("the kernel's command line has no ds=nocloud…;s=URL")?;
        let url = url.parse().map_err(|error| format!("ds=: {error}"))?;
        self.on_service_address("ds=", &url)?;
        Ok(url)
    }

    /// An address that names one machine dies with it: nodes must be given the service address alone, or, where there
    /// is none, addresses that all stand for the cluster.
    fn on_service_address(&self, what: &str, url: &Url) -> Result<(), String> {
        if self.site.relay.serves(*url.server.ip()) {
            return Ok(());
        }
        Err(format!(
            "{what} names {}, not the service address {}",
            url.server.ip(),
            self.site.relay.server_names()
        ))
    }

    /// Notes the first end of a phase.
    fn complete(&mut self, phase: Phase) {
        if self.furthest.is_some_and(|furthest| furthest >= phase) {
            return;
        }
        self.furthest = Some(phase);
        self.phase_ends[phase as usize] = Some(self.began.elapsed());
        self.site
            .progress
            .send_modify(|progress| progress.completed[phase as usize] += 1);
    }
}
