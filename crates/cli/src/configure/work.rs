//! Sets rendered and applied, with what only the cluster can fill in.

use std::collections::BTreeMap;
use std::sync::Arc;

use configurator::apply::{self, Applied, ApplyError, FileSet, Rendered, Settings, Wish};
use configurator::{File, Inventory, REVISION, TEMPLATE_PREFIX, View};
use proto::configurator::v1::generate_service_client::GenerateServiceClient;
use proto::configurator::v1::{GenerateRequest, GeneratedFile};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;

/// Files of templates with secrets, by the name of their set; or why the cluster has not made them.
pub(super) type Secrets = BTreeMap<String, Result<Rendered, String>>;

/// Asks the cluster for those files that have secrets in them. What goes wrong fails the set alone: credentials may be
/// written anew this moment.
pub(super) async fn secrets(global: &GlobalArgs, sets: &[&FileSet], inventory: &Inventory) -> Secrets {
    let mut found = Secrets::new();
    for set in sets {
        if let Some(template) = set.secret_template(inventory) {
            found.insert(set.name.clone(), generated(global, &template.name).await);
        }
    }
    found
}

/// The files of one template, as the cluster makes them; or why not.
async fn generated(global: &GlobalArgs, template: &str) -> Result<Rendered, String> {
    let channel = connect::to_any(global).map_err(|error| error.to_string())?;
    let request = GenerateRequest {
        target: format!("{TEMPLATE_PREFIX}{template}"),
        ..GenerateRequest::default()
    };
    let client = GenerateServiceClient::new(channel);
    let answer = client
        .max_decoding_message_size(connect::ANSWER_BYTES_MAX)
        .generate_with_secrets(request)
        .await
        .map_err(|status| status.message().to_owned())?
        .into_inner();
    Ok(Rendered {
        files: answer.files.into_iter().map(file).collect(),
        revision: answer.revision,
        secret: true,
    })
}

/// A file whose revision counts no more than that of one that is made here: it says the same as one of another revision.
fn file(generated: GeneratedFile) -> File {
    let revision = format!("revision {},", generated.revision);
    let body = generated
        .content
        .replacen(&revision, &format!("revision {REVISION},"), 1);
    File::new(generated.path, body)
}

/// The files of one set.
pub(super) fn render(
    set: &FileSet,
    inventory: &Inventory,
    view: &View,
    secrets: &Secrets,
) -> Result<Rendered, ApplyError> {
    match secrets.get(&set.name) {
        Some(Ok(rendered)) => Ok(rendered.clone()),
        Some(Err(problem)) => Err(ApplyError::Render(configurator::Error::Template {
            name: set.source.name().to_owned(),
            line: None,
            problem: problem.clone(),
        })),
        None => Ok(set.render(inventory, view)?),
    }
}

/// Applies the sets of these numbers on a thread that may wait for disks and programs; what became of each. The inventory comes back.
pub(super) async fn apply(
    settings: Arc<Settings>,
    numbers: Vec<usize>,
    inventory: Inventory,
    secrets: Secrets,
    wish: Wish,
) -> Result<(Inventory, Vec<Result<Applied, ApplyError>>), CliError> {
    let work = move || {
        let view = View::of(&inventory);
        let sets: Vec<&FileSet> = numbers
            .iter()
            .filter_map(|at| settings.file_sets.get(*at))
            .collect();
        let rendered = |set: &FileSet| render(set, &inventory, &view, &secrets);
        let results = apply::apply_all(&sets, rendered, &settings.state, wish);
        (inventory, results)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CliError::other("cannot apply the files", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cluster writes the revision into the text: a file must not be replaced because of it alone.
    #[test]
    fn a_generated_file_says_the_same_at_another_revision() {
        let content =
            "# chamois: cluster prod, revision 4711, template ipmi; written by a program\npassword\n";
        let file = file(GeneratedFile {
            path: "ipmi".to_owned(),
            content: content.to_owned(),
            revision: 4711,
            ..GeneratedFile::default()
        });
        assert_eq!(file.text(4711), content);
        assert!(file.says(&content.replace("4711", "4800")));
        assert!(!file.says(&content.replace("password", "other")));
    }
}
