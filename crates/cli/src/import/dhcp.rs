//! `chamois import coredhcp | dnsmasq | isc | kea`: the configuration of another DHCP server. A parser for each reads text into
//! one form (`found.rs`), which is compared with this cluster, tried out and applied in one way.

mod apply;
mod coredhcp;
mod coresmd;
mod dnsmasq;
mod dnsmasq_host;
mod dnsmasq_option;
mod dnsmasq_range;
mod files;
mod found;
mod isc;
mod isc_statements;
mod kea;
mod kea_json;
mod left_out;
mod names;
mod options;
pub(crate) mod own;
mod policies;
mod reservations;
mod rule;
mod subnets;
#[cfg(test)]
mod testing;
mod yaml_lines;

use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use model::Ipv4Net;
use proto::dhcp::v1::DhcpPolicy;
use proto::smd::v1::EthernetInterface;

use self::apply::{Here, Work};
use self::files::{Files, Source};
use self::found::DhcpImport;
use self::names::Names;
use super::common::{self, HowArgs};
use super::diff::{Diff, LeftOut, Refused, Shown, Summary, changed_fields};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::hsm::HsmMessage;

/// Options of every import of a DHCP configuration.
#[derive(Clone, Debug, Args)]
pub struct DhcpArgs {
    /// What is done with the difference.
    #[command(flatten)]
    pub how: HowArgs,
    /// Where the file says something else than this cluster, take what the file says
    #[arg(long)]
    pub replace: bool,
    /// File with the components of hosts: HOSTNAME XNAME, or MAC XNAME, a line, and for a new node its NID behind it
    #[arg(long, value_name = "FILE")]
    pub xnames: Option<PathBuf>,
}

/// `chamois import coredhcp`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois import coredhcp /etc/coredhcp/config.yaml --dry-run
  chamois import coredhcp config.yaml --yes

The subnet comes from router (or server_id) and netmask, pools from bootloop and range, reservations from file. coresmd's rules
become DHCP policies in their order, node_pattern and bmc_pattern, too, behind them; its inventory comes with `chamois import
smd`. What is not imported is listed with its line and what to do. The same import again changes nothing.")]
pub struct CoredhcpArgs {
    /// coredhcp's config.yaml, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: String,
    /// What every one takes.
    #[command(flatten)]
    pub dhcp: DhcpArgs,
}

/// `chamois import dnsmasq`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois import dnsmasq /etc/dnsmasq.conf --dry-run
  chamois import dnsmasq dnsmasq.conf dnsmasq.d/ --xnames xnames.txt --yes

Reads dhcp-range, dhcp-host, dhcp-option, domain and dhcp-ignore=tag:!known, and follows conf-file, conf-dir, dhcp-hostsfile and
the like, names without a leading slash from the file that has them. A range needs its netmask. Reservations become Ethernet
interfaces: of the component that --xnames names, or whose xname the host is called by; others get their address and nothing to
boot. What is not imported is listed with its line and what to do. The same import again changes nothing.")]
pub struct DnsmasqArgs {
    /// Files in dnsmasq's format, folders of them, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,
    /// What every one takes.
    #[command(flatten)]
    pub dhcp: DhcpArgs,
}

/// `chamois import isc`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois import isc /etc/dhcp/dhcpd.conf --dry-run
  chamois import isc dhcpd.conf --xnames xnames.txt --yes
  chamois import isc dhcpd.conf --replace       what the file says wins over what is here

Reads subnets with their pools, options and lease times, those of shared networks and groups around them included, and hosts
wherever they stand; follows include. Hosts become Ethernet interfaces: of the component that --xnames names, or whose xname the
host is called by; others get their address and nothing to boot. Pools of a class of clients are left out. What is not imported
is listed with its line and what to do. The same import again changes nothing.")]
pub struct IscArgs {
    /// ISC's dhcpd.conf, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: String,
    /// What every one takes.
    #[command(flatten)]
    pub dhcp: DhcpArgs,
}

/// `chamois import kea`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois import kea /etc/kea/kea-dhcp4.conf --dry-run
  chamois import kea kea-dhcp4.conf --xnames xnames.txt --yes

Reads subnets with their pools, options and lease times, those of shared networks and of the server around them included, and
reservations by MAC, global ones, too; Kea's comments and <?include?> are read. Reservations become Ethernet interfaces: of the
component that --xnames names, or whose xname the host is called by; others get their address and nothing to boot. Pools of a
class of clients are left out. What is not imported is listed with its line and what to do. The same import again changes
nothing.")]
pub struct KeaArgs {
    /// Configuration of kea-dhcp4, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: String,
    /// What every one takes.
    #[command(flatten)]
    pub dhcp: DhcpArgs,
}

pub(super) async fn coredhcp(global: &GlobalArgs, args: CoredhcpArgs) -> Result<(), CliError> {
    let read = |files: &mut Files| coredhcp::read(&files.open(&args.file)?, files);
    run(global, &args.dhcp, read).await
}

pub(super) async fn isc(global: &GlobalArgs, args: IscArgs) -> Result<(), CliError> {
    let read = |files: &mut Files| isc::read(&files.open(&args.file)?, files);
    run(global, &args.dhcp, read).await
}

pub(super) async fn kea(global: &GlobalArgs, args: KeaArgs) -> Result<(), CliError> {
    let read = |files: &mut Files| kea::read(&files.open(&args.file)?, files);
    run(global, &args.dhcp, read).await
}

pub(super) async fn dnsmasq(global: &GlobalArgs, args: DnsmasqArgs) -> Result<(), CliError> {
    let read = |files: &mut Files| {
        let mut sources: Vec<Source> = Vec::new();
        for named in &args.files {
            let names = match files::is_folder(named) {
                true => files::names_in(named.as_ref())?,
                false => vec![named.clone()],
            };
            for name in names {
                sources.push(files.open(&name)?);
            }
        }
        Ok(dnsmasq::read(&sources, files))
    };
    run(global, &args.dhcp, read).await
}

async fn run(
    global: &GlobalArgs,
    args: &DhcpArgs,
    read: impl FnOnce(&mut Files) -> Result<DhcpImport, String>,
) -> Result<(), CliError> {
    // files are small and local: they are read before anything else waits
    let mut files = Files::new();
    let import = read(&mut files).map_err(|problem| CliError::new(Kind::Usage, problem))?;
    let names = read_names(args, &mut files)?;
    let connection = connect::to_any(global)?;
    let here = Here::read(&connection).await?;
    let (mut work, mut summary) = compare(&import, &here, &names, args.replace);
    apply::try_out(&connection, &mut work).await?;
    for shown in shown(&work, &import)? {
        summary.add(shown);
    }
    let apply = async |work, progress: &ProgressBar| apply::apply(&connection, work, progress).await;
    common::carry_out(&args.how, global.output, (work, summary), apply).await
}

fn read_names(args: &DhcpArgs, files: &mut Files) -> Result<Names, CliError> {
    let Some(path) = &args.xnames else {
        return Ok(Names::default());
    };
    let named = path.display().to_string();
    let names = files.open(&named).and_then(|source| Names::read(&source));
    names.map_err(|problem| CliError::new(Kind::Usage, problem))
}

/// What there is to do, and what people have to know beside that.
fn compare(import: &DhcpImport, here: &Here, names: &Names, replace: bool) -> (Work, Summary) {
    let found = import.subnets.iter().map(|subnet| subnet.network);
    let known = here
        .subnets
        .iter()
        .filter_map(|subnet| subnet.network.parse().ok());
    let networks: Vec<Ipv4Net> = found.chain(known).collect();
    let plan = reservations::plan(
        &import.reservations,
        &reservations::Here {
            components: &here.components,
            interfaces: &here.interfaces,
            networks: &networks,
            names,
            replace,
        },
    );
    let mut summary = Summary {
        left_out: import.not_understood.iter().map(LeftOut::from).collect(),
        ..Summary::default()
    };
    if plan.nameless > 0 {
        let count = plan.nameless;
        summary.notes.push(format!(
            "{count} MACs are of no component: they get their address and nothing to boot; name their components with --xnames, \
             or later with `chamois import smd`"
        ));
    }
    if plan.renamed > 0 {
        let count = plan.renamed;
        summary.notes.push(format!(
            "{count} hosts have a name of their own in the file: here a node is called by the cluster's short name and its NID, \
             as a DHCP policy says (`chamois dhcp policy`), or as its instance-info does (`chamois cloud-init node`)"
        ));
    }
    let all = import.reservations.iter();
    let unused = names.unused(all.map(|of| (&of.mac, of.hostname.as_str())));
    if let Some(first) = unused.first() {
        let count = unused.len();
        summary.notes.push(format!(
            "{count} lines of the list of xnames are of no reservation; the first is {first}"
        ));
    }
    let work = Work {
        subnets: subnets::diff(&import.subnets, &here.subnets, replace),
        policies: policies::diff(&import.rules, &here.policies, replace),
        components: plan.components,
        interfaces: plan.interfaces,
    };
    (work, summary)
}

impl From<&found::Told> for LeftOut {
    fn from(told: &found::Told) -> LeftOut {
        LeftOut {
            at: told.at.to_string(),
            what: told.what.clone(),
            why: told.why.clone(),
        }
    }
}

/// Collection by collection; first what is wrong in the file itself.
fn shown(work: &Work, import: &DhcpImport) -> Result<Vec<Shown>, CliError> {
    let mut all = Vec::new();
    if !import.wrong.is_empty() {
        all.push(wrong(import));
    }
    if has_any(&work.subnets) {
        all.push(show(
            "subnets",
            &work.subnets,
            |subnet| subnet.network.clone(),
            |before, after| Ok(subnets::changes_in_words(before, after)),
        )?);
    }
    if has_any(&work.policies) {
        let form = HsmMessage::named("chamois.dhcp.v1.DhcpPolicy")?;
        let fields = |before: &DhcpPolicy, after: &DhcpPolicy| {
            Ok(changed_fields(&form.write(before)?, &form.write(after)?, |_| {
                false
            }))
        };
        all.push(show(
            "DHCP policies",
            &work.policies,
            |policy| policy.name.clone(),
            fields,
        )?);
    }
    let form = HsmMessage::named("chamois.smd.v1.EthernetInterface")?;
    let fields = |before: &EthernetInterface, after: &EthernetInterface| {
        Ok(changed_fields(&form.write(before)?, &form.write(after)?, |_| {
            false
        }))
    };
    if has_any(&work.components) {
        all.push(show(
            "Components",
            &work.components,
            |component| component.id.clone(),
            |_, _| {
                Ok(Vec::new()) // those that are here are left as they are
            },
        )?);
    }
    all.push(show(
        "EthernetInterfaces",
        &work.interfaces,
        |interface| interface.id.clone(),
        fields,
    )?);
    Ok(all)
}

fn has_any<T>(diff: &Diff<T>) -> bool {
    diff.same + diff.create.len() + diff.change.len() + diff.refused.len() > 0
}

fn wrong(import: &DhcpImport) -> Shown {
    let refused = import.wrong.iter().map(|told| Refused {
        id: told.at.to_string(),
        reason: format!("{}: {}", told.what, told.why),
    });
    Shown {
        name: "statements",
        create: Vec::new(),
        change: Vec::new(),
        same: 0,
        refused: refused.collect(),
    }
}

fn show<T>(
    name: &'static str,
    diff: &Diff<T>,
    id: impl Fn(&T) -> String,
    fields: impl Fn(&T, &T) -> Result<Vec<String>, CliError>,
) -> Result<Shown, CliError> {
    let changed = diff
        .change
        .iter()
        .map(|change| Ok((id(&change.after), fields(&change.before, &change.after)?)));
    Ok(Shown {
        name,
        create: diff.create.iter().map(&id).collect(),
        change: changed.collect::<Result<_, CliError>>()?,
        same: diff.same,
        refused: diff.refused.clone(),
    })
}
