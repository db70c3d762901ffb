//! `chamois diff`.

use clap::Args;
use serde_json::json;

use super::cluster::Live;
use super::files::{self, Source};
use super::{planned, text, trial};
use crate::api;
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois diff`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois diff -f site/
  chamois diff -f site/ && echo as declared

From what the cluster has to what is declared. Exit code: 0 no difference, 1 some, others as always. Who may only read sees
differences of writing, too (X1000c0 for x1000c0): whether they are one only the cluster says, to those who may write.")]
pub struct DiffArgs {
    /// A file, a folder, or - for standard input
    #[arg(short, long, value_name = "FILE|DIR|-", value_parser = files::source)]
    pub file: Source,
}

pub(crate) async fn run(global: &GlobalArgs, args: &DiffArgs) -> Result<(), CliError> {
    let catalogue = api::catalogue()?;
    let documents = args.file.read(&catalogue)?;
    let cluster = Live::new(global, &catalogue)?;
    let mut plan = planned(&cluster, &catalogue, &documents, None).await?;
    let mut judged = plan.clone();
    match trial::all(&cluster, &catalogue, &mut judged).await {
        Ok(_) => plan = judged,
        Err(error) if error.kind() == Kind::Denied => {}
        Err(error) => return Err(error),
    }
    let texts = plan
        .steps
        .iter()
        .map(text::difference)
        .collect::<Result<Vec<_>, _>>()?;
    if global.output.is_document() {
        let row = |(step, text): (&super::plan::Step, &String)| json!({ "kind": step.kind.name, "name": step.name, "change": step.verb(), "diff": text });
        let rows: Vec<_> = plan.steps.iter().zip(&texts).map(row).collect();
        let answer = json!({ "unchanged": plan.unchanged, "objects": rows });
        output::print(output::value_document(global.output, &answer))?;
    } else if !texts.is_empty() {
        output::print(texts.concat().trim_end())?;
    }
    match plan.steps.len() {
        0 => Ok(()),
        1 => Err(CliError::new(Kind::Other, "1 object differs")),
        many => Err(CliError::new(Kind::Other, format!("{many} objects differ"))),
    }
}
