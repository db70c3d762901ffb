//! Whether what boot configurations name is there: images, and kernels and initrds below `/files/`.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use proto::boot_file::v1::boot_file_service_client::BootFileServiceClient;
use proto::boot_file::v1::image_service_client::ImageServiceClient;
use proto::boot_file::v1::{ImageStatus, ListBootFilesRequest, ListImageStatusesRequest};
use proto::bss::v1::boot_configuration_service_client::BootConfigurationServiceClient;
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use proto::bss::v1::{
    BootConfiguration, BootParameters, ListBootConfigurationsRequest, ListBootParametersRequest,
};

use super::around::{Around, first_line};
use super::finding::Finding;
use crate::connect::ANSWER_BYTES_MAX;
use crate::error::CliError;

/// What a path below this names is a boot file.
const FILES: &str = "/files/";
/// Names of nodes that a finding shows.
const NAMED_MAX: usize = 3;

/// What is named and what is there.
#[derive(Debug, Default)]
struct Facts {
    configurations: Vec<BootConfiguration>,
    parameters: Vec<BootParameters>,
    images: Vec<ImageStatus>,
    /// Name of each file, and how many members have its bytes.
    files: BTreeMap<String, usize>,
    /// Members in all.
    members: usize,
}

pub(super) async fn check(around: &Around) -> Vec<Finding> {
    match gather(around).await {
        Ok(facts) => judge(&facts),
        Err(note) => vec![note],
    }
}

async fn gather(around: &Around) -> Result<Facts, Finding> {
    let connection = around.connection()?;
    let asked = async {
        let mut configurations = BootConfigurationServiceClient::new(connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX);
        let mut parameters =
            BootParametersServiceClient::new(connection.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let mut images =
            ImageServiceClient::new(connection.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let mut files = BootFileServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
        let configurations = configurations
            .list_boot_configurations(ListBootConfigurationsRequest::default())
            .await?;
        let parameters = parameters
            .list_boot_parameters(ListBootParametersRequest::default())
            .await?;
        let images = images
            .list_image_statuses(ListImageStatusesRequest::default())
            .await?;
        let files = files.list_boot_files(ListBootFilesRequest {}).await?;
        let file =
            |listed: proto::boot_file::v1::ListedBootFile| Some((listed.file?.name, listed.members.len()));
        Ok::<_, CliError>(Facts {
            configurations: configurations.into_inner().configurations,
            parameters: parameters.into_inner().items,
            images: images.into_inner().statuses,
            files: files.into_inner().files.into_iter().filter_map(file).collect(),
            members: around
                .statuses()
                .map(|status| status.members.len())
                .max()
                .unwrap_or(0),
        })
    };
    asked
        .await
        .map_err(|error: CliError| Finding::note("boot files", first_line(&error)))
}

fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, users) in images_named(facts) {
        found.extend(image(&name, &users, facts));
    }
    for (name, users) in files_named(facts) {
        found.extend(file(&name, &users, facts));
    }
    let few = facts
        .files
        .iter()
        .filter(|(_, members)| **members < facts.members);
    let few: Vec<&str> = few.map(|(name, _)| name.as_str()).collect();
    if let Some(first) = few.first() {
        let what = format!(
            "{} boot file(s) are not on every member yet, e.g. {first}",
            few.len()
        );
        let remedy = "Members fetch what they lack by themselves: wait, and look at `chamois file list` and the members' disks.";
        found.push(Finding::warning("boot files", what, remedy));
    }
    if found.is_empty() {
        let what = format!(
            "all that {} boot configuration(s) and {} entries name is there",
            facts.configurations.len(),
            facts.parameters.len()
        );
        found.push(Finding::ok("boot files", what));
    }
    found
}

fn images_named(facts: &Facts) -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for configuration in facts
        .configurations
        .iter()
        .filter(|c| !c.disabled && !c.image.is_empty())
    {
        named
            .entry(configuration.image.clone())
            .or_default()
            .insert(format!("boot configuration {}", configuration.name));
    }
    named
}

fn image(name: &str, users: &BTreeSet<String>, facts: &Facts) -> Option<Finding> {
    let status = facts
        .images
        .iter()
        .find(|status| status.image.as_ref().is_some_and(|image| image.name == name));
    let about = format!("image {name}");
    match status {
        None => Some(Finding::error(
            about,
            format!("is not there, and {} names it", shown(users)),
            "`chamois image add`, or name another in `chamois boot config set`.",
        )),
        Some(status) if !status.bootable => Some(Finding::error(
            about,
            format!(
                "cannot be booted ({}), and {} names it",
                status.reason,
                shown(users)
            ),
            format!(
                "`chamois image list` shows who lacks what; `chamois image verify {name}` has it fetched again."
            ),
        )),
        Some(_) => None,
    }
}

/// The boot files that URLs of kernels and initrds name, and who names them.
fn files_named(facts: &Facts) -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |url: &str, by: &str| {
        if let Some(file) = boot_file(url) {
            named.entry(file).or_default().insert(by.to_owned());
        }
    };
    for configuration in facts.configurations.iter().filter(|c| !c.disabled) {
        let by = format!("boot configuration {}", configuration.name);
        add(&configuration.kernel, &by);
        add(&configuration.initrd, &by);
    }
    for entry in &facts.parameters {
        let nids = entry.nids.iter().map(|nid| format!("NID {nid}"));
        let by = entry
            .hosts
            .iter()
            .chain(&entry.macs)
            .cloned()
            .chain(nids)
            .next()
            .unwrap_or_default();
        add(&entry.kernel, &by);
        add(&entry.initrd, &by);
    }
    named
}

/// The name of the boot file that a URL asks a member for; other hosts have other ports. What is written as `%20` there is a blank.
fn boot_file(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        None => url,
        Some((_, rest)) => {
            let (authority, _) = rest.split_once('/')?;
            let is_ours = authority.ends_with(&format!(":{}", super::ports::HTTP_PORT));
            is_ours.then(|| &rest[authority.len()..])?
        }
    };
    let name = path.strip_prefix(FILES)?;
    let name = name.split(['?', '#']).next().unwrap_or(name);
    Some(percent_decode_str(name).decode_utf8_lossy().into_owned())
}

fn file(name: &str, users: &BTreeSet<String>, facts: &Facts) -> Option<Finding> {
    let about = format!("boot file {name}");
    let word = as_word(name);
    match facts.files.get(name) {
        None => Some(Finding::error(
            about,
            format!("is not in the catalogue, and {} names it", shown(users)),
            format!(
                "`chamois file put {word} PATH`; one that was copied into a member's `files-dir` by hand is on that member only."
            ),
        )),
        Some(0) => Some(Finding::error(
            about,
            format!("is on no member that answers, and {} names it", shown(users)),
            format!(
                "Start the members that have it (`chamois file list`), or `chamois file put {word} PATH` again."
            ),
        )),
        Some(_) => None,
    }
}

/// As a shell takes it.
fn as_word(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/~+@".contains(c);
    match name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

fn shown(users: &BTreeSet<String>) -> String {
    let some: Vec<&str> = users.iter().take(NAMED_MAX).map(String::as_str).collect();
    match users.len().saturating_sub(NAMED_MAX) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proto::boot_file::v1::Image;

    use super::super::around::with;
    use super::super::finding::Severity;
    use super::*;

    fn configuration(name: &str, image: &str, kernel: &str) -> BootConfiguration {
        BootConfiguration {
            name: name.into(),
            image: image.into(),
            kernel: kernel.into(),
            ..Default::default()
        }
    }

    #[test]
    fn an_image_that_is_missing_or_not_bootable_is_an_error() {
        let broken = ImageStatus {
            image: Some(Image {
                name: "broken".into(),
                ..Image::default()
            }),
            reason: "member 2 lacks vmlinuz".into(),
            ..ImageStatus::default()
        };
        let facts = Facts {
            configurations: vec![
                configuration("gpu", "gone", ""),
                configuration("cpu", "broken", ""),
            ],
            images: vec![broken],
            ..Facts::default()
        };
        let found = judge(&facts);
        assert_eq!(found.len(), 2);
        assert!(
            found.iter().all(|finding| finding.severity == Severity::Error),
            "{found:?}"
        );
        assert!(found[0].what.contains("member 2 lacks vmlinuz"), "{found:?}");
        assert!(found[1].what.contains("boot configuration gpu"), "{found:?}");
    }

    #[test]
    fn a_kernel_that_nobody_has_is_named_with_those_who_need_it() {
        let hosts = (0..5).map(|n| BootParameters {
            hosts: vec![format!("x0c0s{n}b0n0")],
            kernel: "http://10.9.0.1:8081/files/old/vmlinuz?x".into(),
            initrd: "http://other.example/files/initrd".into(),
            ..BootParameters::default()
        });
        let facts = Facts {
            parameters: hosts.collect(),
            configurations: vec![configuration("all", "", "/files/there")],
            files: [("there".to_owned(), 0)].into(),
            ..Facts::default()
        };
        let found = judge(&facts);
        assert_eq!(found.len(), 2, "what other hosts serve is theirs: {found:?}");
        assert!(found[0].what.contains("x0c0s2b0n0 and 2 more"), "{found:?}");
        assert!(
            found[0].remedy.contains("chamois file put old/vmlinuz"),
            "{found:?}"
        );
        assert!(found[1].what.contains("on no member"), "{found:?}");
    }

    /// Firmware asks for the URL as it is written, and members decode it.
    #[test]
    fn a_file_is_found_however_its_url_is_written() {
        for (url, name) in [
            ("/files/a%20b", Some("a b")),
            (
                "http://10.9.0.1:8081/files/debian%2Fvmlinuz?x=%20",
                Some("debian/vmlinuz"),
            ),
            ("/files/%C3%BC#x", Some("ü")),
            ("/files/a%3Fb", Some("a?b")),
            ("/files/100%", Some("100%")),
            ("/other/a%20b", None),
        ] {
            assert_eq!(boot_file(url).as_deref(), name, "{url}");
        }
        let mut facts = Facts {
            configurations: vec![configuration("all", "", "/files/a%20b")],
            files: [("a b".to_owned(), 1)].into(),
            members: 1,
            ..Facts::default()
        };
        assert_eq!(judge(&facts)[0].severity, Severity::Ok);
        facts.files.clear();
        let found = judge(&facts);
        assert!(found[0].remedy.contains("file put 'a b' PATH"), "{found:?}");
    }

    #[test]
    fn what_is_disabled_needs_nothing_and_what_is_everywhere_is_well() {
        let mut off = configuration("old", "gone", "");
        off.disabled = true;
        let mut facts = Facts {
            configurations: vec![off],
            files: [("a".to_owned(), 3)].into(),
            members: 3,
            ..Facts::default()
        };
        assert_eq!(judge(&facts)[0].severity, Severity::Ok);
        facts.files.insert("b".into(), 2);
        assert_eq!(judge(&facts)[0].severity, Severity::Warning);
    }

    #[tokio::test]
    async fn without_a_member_nothing_is_claimed() {
        assert_eq!(check(&with(Vec::new())).await[0].severity, Severity::Note);
    }
}
