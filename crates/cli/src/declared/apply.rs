//! `chamois apply`.

use clap::Args;
use openapi::Catalogue;

use super::cluster::{Cluster, Live};
use super::document::Document;
use super::files::{self, Source};
use super::identity::Identity;
use super::kinds::Kind;
use super::plan::{Plan, Step};
use super::record::Record;
use super::sent::Account;
use super::trial::{self, Tried};
use super::{asked, known, planned, sent, told};
use crate::api;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind as Class};
use crate::output;

/// `chamois apply`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois apply -f site/                        every *.yaml of the folder and those in it
  chamois apply -f site/ --dry-run              what would be done, and what would be refused
  chamois apply -f site/ --prune                also delete what an earlier apply of it made and it declares no more
  chamois get BootConfiguration compute | chamois apply -f -

A document has `kind`, `metadata.name` and `spec` with the fields of the API; `chamois explain KIND` shows them, `chamois get KIND`
writes such documents. Kinds: Role, Component, Group, Subnet, DhcpPolicy, CloudInitDefaults, CloudInitGroup, InstanceInfo,
BootParameters, BootConfiguration, Profile, Template, Policy. Of a component only what is declared is set; everything else is as
declared, and not set what is not declared.

All is tried out first, and nothing is done if anything would be refused. Then kinds are made in the order above, objects of one kind in
one change where the API has it, each at the revision that was seen: what somebody else changes meanwhile is not overwritten. If
something fails on the way, it is said what was and what was not done (exit code 7), and the same again goes on.")]
pub struct ApplyArgs {
    /// A file, a folder, or - for standard input
    #[arg(short, long, value_name = "FILE|DIR|-", value_parser = files::source)]
    pub file: Source,
    /// Delete what an earlier apply of this file or folder made and it declares no more; asks
    #[arg(long)]
    pub prune: bool,
    /// Change nothing; show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before something is deleted
    #[arg(long, short, conflicts_with = "dry_run")]
    pub yes: bool,
}

pub(crate) async fn run(global: &GlobalArgs, args: &ApplyArgs) -> Result<(), CliError> {
    let path = args.file.record();
    if args.prune && path.is_none() {
        return Err(CliError::new(
            Class::Usage,
            "--prune: standard input has no earlier apply; name a file or folder",
        ));
    }
    let catalogue = api::catalogue()?;
    let documents = args.file.read(&catalogue)?;
    let mut record = match &path {
        Some(path) => Record::read(path)?,
        None => Record::default(),
    };
    let cluster = Live::new(global, &catalogue)?;
    // nothing is noted of standard input
    let identity = match (&path, &global.ca) {
        (Some(_), Some(ca)) => Identity::of(&cluster, &connect::read_ca(ca)?, &global.endpoints).await?,
        _ => Identity::default(),
    };
    let prune = args.prune.then_some((&record, &identity));
    let mut plan = planned(&cluster, &catalogue, &documents, prune).await?;
    let tried = trial::all(&cluster, &catalogue, &mut plan).await?;
    if args.dry_run {
        return told::tried(global, &tried, plan.unchanged);
    }
    if !may_begin(&plan, args.yes)? {
        return output::print("nothing was changed");
    }
    let account = sent::all(&cluster, &catalogue, &tried).await;
    let before = record.clone();
    let mut noted = Ok(());
    if let Some(path) = path {
        let made = made(&tried, &account);
        noted = note(&cluster, &identity, &catalogue, &documents, &made, &mut record).await;
        if noted.is_ok() && record != before {
            noted = record.write(&path);
        }
    }
    told::made(global, &tried, plan.unchanged, &account).and(noted)
}

/// Whether what is to be deleted may be.
fn may_begin(plan: &Plan, yes: bool) -> Result<bool, CliError> {
    let gone = plan.steps.iter().filter(|step| step.after.is_none());
    let titles: Vec<String> = gone.map(Step::title).collect();
    match yes || titles.is_empty() {
        true => Ok(true),
        false => asked::may_delete(&titles),
    }
}

/// What this apply has made anew.
fn made(tried: &[Tried], account: &Account) -> Vec<(&'static Kind, String)> {
    tried
        .iter()
        .zip(&account.made)
        .filter(|(one, made)| one.step.before.is_none() && **made > 0)
        .map(|(one, _)| (one.step.kind, one.step.name.clone()))
        .collect()
}

/// Notes what this apply has made, also if it stopped on the way.
async fn note(
    cluster: &impl Cluster,
    identity: &Identity,
    catalogue: &Catalogue,
    documents: &[Document],
    made: &[(&'static Kind, String)],
    record: &mut Record,
) -> Result<(), CliError> {
    if made.is_empty() && record.is_empty() {
        return Ok(());
    }
    let kinds = documents
        .iter()
        .map(|document| document.kind)
        .chain(record.kinds(identity));
    record.note(identity, made, &known(cluster, catalogue, kinds).await?);
    Ok(())
}
