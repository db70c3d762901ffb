//! `chamois boot explain <node>`: what a node would be given now, and why. BSS explains, and the members say whether they have the
//! image.

use std::fmt::Write as _;

use clap::Args;
use proto::boot_file::v1::image_service_client::ImageServiceClient;
use proto::boot_file::v1::{ImageStatus, ListImageStatusesRequest};
use proto::bss::v1::boot_candidate::{Class, Verdict};
use proto::bss::v1::boot_explain_service_client::BootExplainServiceClient;
use proto::bss::v1::{BootCandidate, BootExplanation, ExplainBootRequest};
use serde_json::Value;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois boot explain`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois boot explain x1000c0s0b0n0
  chamois boot explain 02:00:00:00:00:a1 --all
  chamois -o json boot explain 17

Nothing is changed: no boot begins, and no instance-id is stored. The script is what the node would get, but for the
id of the boot, which is 0 here.")]
pub struct ExplainArgs {
    /// The node: xname, MAC or NID
    pub node: String,
    /// What the node's iPXE would say of itself
    #[arg(long, default_value = "", hide_default_value = true, value_name = "BUILDARCH")]
    pub arch: String,
    /// Show the configurations that do not select the node, too
    #[arg(long)]
    pub all: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ExplainArgs) -> Result<(), CliError> {
    let mut client =
        BootExplainServiceClient::new(connect::to_any(global)?).max_decoding_message_size(usize::MAX);
    let request = ExplainBootRequest {
        node: args.node.clone(),
        arch: args.arch,
    };
    let explained = client.explain_boot(request).await?.into_inner();
    let image = image_status(global, &explained.image).await?;
    output::object_value(global, &as_json(&explained, image.as_ref())?, &args.node, || {
        as_text(&explained, image.as_ref(), args.all)
            .trim_end()
            .to_owned()
    })
}

/// Which members have the image that is booted; `None` without one.
async fn image_status(global: &GlobalArgs, name: &str) -> Result<Option<ImageStatus>, CliError> {
    if name.is_empty() {
        return Ok(None);
    }
    let mut client = ImageServiceClient::new(connect::to_any(global)?);
    let request = ListImageStatusesRequest {
        name: vec![name.to_owned()],
    };
    let answer = client.list_image_statuses(request).await?.into_inner();
    Ok(answer.statuses.into_iter().next())
}

/// The answer of BSS, with where its image is.
fn as_json(explained: &BootExplanation, image: Option<&ImageStatus>) -> Result<Value, CliError> {
    let mut whole = output::to_value("chamois.bss.v1.BootExplanation", explained)?;
    if let (Some(image), Value::Object(fields)) = (image, &mut whole) {
        let status = output::to_value("chamois.boot_file.v1.ImageStatus", image)?;
        fields.insert("imageStatus".to_owned(), status);
    }
    Ok(whole)
}

fn as_text(explained: &BootExplanation, image: Option<&ImageStatus>, all: bool) -> String {
    let mut text = head(explained);
    if !explained.image.is_empty() {
        let _ = writeln!(text, "{}", image_line(explained, image));
    }
    if !explained.problem.is_empty() {
        let _ = writeln!(text, "It cannot boot: {}", explained.problem);
    }
    let _ = writeln!(text, "\n{}", candidates(explained, all));
    let unselected = explained
        .candidates
        .iter()
        .filter(|one| one.verdict() == Verdict::NotSelected)
        .count() as u64;
    if !all && unselected + explained.left_out > 0 {
        let _ = writeln!(
            text,
            "{} more do not select it (--all)",
            unselected + explained.left_out
        );
    }
    if !explained.params.is_empty() {
        let _ = writeln!(text, "\n{}", params(explained));
    }
    if !explained.interfaces.is_empty() {
        let _ = writeln!(text, "\n{}", addresses(explained));
    }
    if !explained.script.is_empty() {
        section(&mut text, "boot script", &explained.script);
    }
    for document in &explained.documents {
        match document.problem.as_str() {
            "" => section(&mut text, &document.name, &document.text),
            problem => section(&mut text, &document.name, &format!("not shown: {problem}")),
        }
    }
    text
}

/// Which image, whether it can be booted, and what of it is checked.
fn image_line(explained: &BootExplanation, status: Option<&ImageStatus>) -> String {
    let bootable = match status {
        Some(status) if status.bootable => "bootable".to_owned(),
        Some(status) => format!("not bootable: {}", status.reason),
        None => "nobody knows whether it is bootable".to_owned(),
    };
    let verified = match explained.verified.as_slice() {
        [] => "no signature is checked".to_owned(),
        parts => format!("iPXE checks the signature of {}", parts.join(" and ")),
    };
    let mut line = format!("It boots the image {}: {bootable}; {verified}", explained.image);
    if !explained.image_problem.is_empty() {
        let _ = write!(line, "\nThat will fail: {}", explained.image_problem);
    }
    line
}

fn section(text: &mut String, title: &str, content: &str) {
    let _ = writeln!(text, "\n--- {title}\n{}", content.trim_end());
}

/// Who the node is.
fn head(explained: &BootExplanation) -> String {
    if explained.node.is_empty() {
        return String::new();
    }
    let nid = explained.nid.map(|nid| format!("NID {nid}"));
    let facts = [
        nid.unwrap_or_default(),
        named("role", &explained.role),
        named("subrole", &explained.sub_role),
        named("architecture", &explained.arch),
        named("groups", &explained.groups.join(", ")),
        named("host name", &explained.hostname),
        named("instance-id", &explained.instance_id),
    ];
    let facts: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    format!(
        "{}: {} (revision {})\n",
        explained.node,
        facts.join("; "),
        explained.revision
    )
}

fn named(name: &str, value: &str) -> String {
    match value {
        "" => String::new(),
        value => format!("{name} {value}"),
    }
}

fn candidates(explained: &BootExplanation, all: bool) -> comfy_table::Table {
    let mut table = output::table(["", "WHAT", "SELECTS IT BY", "PRIORITY", "WHY"]);
    let shown = explained.candidates.iter();
    for candidate in shown.filter(|one| all || one.verdict() != Verdict::NotSelected) {
        let what = match candidate.kind.as_str() {
            "boot_parameters" => format!("boot parameters {}", candidate.name),
            _ => candidate.name.clone(),
        };
        table.add_row([
            verdict(candidate).to_owned(),
            what,
            selected_by(candidate),
            candidate.priority.to_string(),
            candidate.reason.clone(),
        ]);
    }
    table
}

fn verdict(candidate: &BootCandidate) -> &'static str {
    match candidate.verdict() {
        Verdict::Won => "won",
        Verdict::Merged => "merged",
        Verdict::Lost => "lost",
        Verdict::NotSelected | Verdict::Unspecified => "-",
    }
}

/// The class, and the selector where it says more.
fn selected_by(candidate: &BootCandidate) -> String {
    let class = match candidate.class() {
        Class::Unspecified => return String::new(),
        Class::Own => "own name",
        Class::Nodeset => "nodeset",
        Class::Group | Class::SubRole | Class::Role | Class::Default => return candidate.selector.clone(),
    };
    format!("{class} {}", candidate.selector)
}

fn params(explained: &BootExplanation) -> comfy_table::Table {
    let mut table = output::table(["KERNEL PARAMETER", "FROM"]);
    for param in &explained.params {
        table.add_row([&param.word, &param.from]);
    }
    table
}

fn addresses(explained: &BootExplanation) -> comfy_table::Table {
    let mut table = output::table(["MAC", "ADDRESS", "DHCP SERVES IT IN"]);
    for interface in &explained.interfaces {
        if interface.addresses.is_empty() {
            table.add_row([interface.mac.as_str(), "none", "nothing: DHCP is silent"]);
        }
        for address in &interface.addresses {
            let subnet = match address.subnet.as_str() {
                "" => "no subnet: DHCP is silent",
                subnet => subnet,
            };
            table.add_row([interface.mac.as_str(), &address.address, subnet]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::{BootDocument, InterfaceAddresses, ParamOrigin};

    use super::*;

    fn candidate(name: &str, class: Class, verdict: Verdict) -> BootCandidate {
        BootCandidate {
            kind: "boot_configuration".into(),
            name: name.into(),
            class: class.into(),
            selector: "group gpu".into(),
            priority: 50,
            verdict: verdict.into(),
            reason: format!("because {name}"),
        }
    }

    fn explained() -> BootExplanation {
        BootExplanation {
            node: "x0c0s0b0n0".into(),
            nid: Some(1),
            role: "Compute".into(),
            groups: vec!["gpu".into()],
            candidates: vec![
                candidate("winner", Class::Group, Verdict::Won),
                candidate("loser", Class::Default, Verdict::Lost),
                candidate("stranger", Class::Unspecified, Verdict::NotSelected),
            ],
            left_out: 2,
            params: vec![ParamOrigin {
                word: "quiet".into(),
                from: "winner".into(),
            }],
            script: "#!ipxe\nboot\n".into(),
            interfaces: vec![InterfaceAddresses {
                mac: "02:00:00:00:00:01".into(),
                addresses: vec![],
            }],
            revision: 7,
            documents: vec![
                BootDocument {
                    name: "meta-data".into(),
                    text: "instance-id: i-1\n".into(),
                    ..BootDocument::default()
                },
                BootDocument {
                    name: "munge.yaml".into(),
                    problem: "it is secret".into(),
                    ..BootDocument::default()
                },
            ],
            ..BootExplanation::default()
        }
    }

    /// Everything that decides is on one page; who has no part is counted only.
    #[test]
    fn a_page_shows_what_won_what_lost_and_what_the_node_is_given() {
        let text = as_text(&explained(), None, false);
        assert!(!text.contains("image"), "{text}");
        for part in [
            "x0c0s0b0n0: NID 1; role Compute; groups gpu (revision 7)",
            "because winner",
            "because loser",
            "3 more do not select it",
            "quiet",
            "DHCP is silent",
            "--- boot script\n#!ipxe\nboot",
            "--- meta-data\ninstance-id: i-1",
            "--- munge.yaml\nnot shown: it is secret",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("stranger"), "{text}");
        let all = as_text(&explained(), None, true);
        assert!(all.contains("stranger"), "{all}");
    }

    /// That a script is right does not help a node whose kernel no member has.
    #[test]
    fn the_image_is_named_with_what_becomes_of_it() {
        let mut of_image = BootExplanation {
            image: "debian-12".into(),
            ..explained()
        };
        let mut status = ImageStatus {
            bootable: true,
            ..ImageStatus::default()
        };
        let line = |explained: &BootExplanation, status: Option<&ImageStatus>| {
            let text = as_text(explained, status, false);
            text.lines().skip(1).take(2).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(
            line(&of_image, Some(&status)).trim_end(),
            "It boots the image debian-12: bootable; no signature is checked"
        );
        of_image.verified = vec!["kernel".into(), "initrd".into()];
        of_image.image_problem = "it is for arm64".into();
        status.bootable = false;
        status.reason = "member 3 lacks a part".into();
        assert_eq!(
            line(&of_image, Some(&status)),
            "It boots the image debian-12: not bootable: member 3 lacks a part; iPXE checks the signature of kernel and initrd\n\
             That will fail: it is for arm64"
        );
        assert!(line(&of_image, None).contains("nobody knows"));
    }

    /// Scripts read one document.
    #[test]
    fn json_has_the_explanation_and_where_the_image_is() {
        let status = ImageStatus {
            bootable: true,
            ..ImageStatus::default()
        };
        let value = as_json(&explained(), Some(&status)).unwrap();
        assert_eq!(value["node"], "x0c0s0b0n0");
        assert_eq!(value["candidates"][0]["verdict"], "VERDICT_WON");
        assert_eq!(value["imageStatus"]["bootable"], true);
    }
}
