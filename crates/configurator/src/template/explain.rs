//! What is wrong with a template, for people: the line, what stands there, and what was perhaps meant.

use std::fmt::Write;

use minijinja::{Error as JinjaError, ErrorKind};
use model::did_you_mean;
use proto::configurator::v1::Template;

use super::secrets::Secrets;
use crate::{Error, template_filters};

/// Longest piece of a template that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 80;
/// Words of minijinja's errors.
const SAID: &[&str] = &["filter", "function", "is", "unknown", "undefined", "value"];
/// What templates find at the top, and what is in it.
const NAMES: &[&str] = &[
    "address",
    "addresses",
    "arch",
    "bmc",
    "bmcs",
    "boot",
    "boot_interface",
    "boot_server",
    "cidr",
    "class",
    "cluster",
    "code",
    "description",
    "dns",
    "domain",
    "enabled",
    "flag",
    "gateway",
    "groups",
    "header",
    "hex",
    "initrd",
    "interfaces",
    "kernel",
    "kind",
    "label",
    "lease_seconds",
    "mac",
    "member_names",
    "members",
    "mtu",
    "name",
    "network",
    "nid",
    "nodes",
    "ntp",
    "options",
    "others",
    "params",
    "partitions",
    "password",
    "pools",
    "revision",
    "role",
    "secret",
    "state",
    "sub_role",
    "subnets",
    "tags",
    "user",
    "xname",
];

/// Turns the errors of one template into ours.
pub(super) struct Explain<'a> {
    template: &'a Template,
    secrets: Secrets,
}

impl<'a> Explain<'a> {
    pub(super) fn of(template: &'a Template, secrets: &Secrets) -> Explain<'a> {
        Explain {
            template,
            secrets: secrets.clone(),
        }
    }

    /// An error of the template as a whole.
    pub(super) fn whole(&self, problem: String) -> Error {
        Error::Template {
            name: self.template.name.clone(),
            line: None,
            problem,
        }
    }

    /// What minijinja says, and why: its own words, the piece of the template, the nearest name.
    pub(super) fn error(&self, error: &JinjaError) -> Error {
        let mut problem = match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => "it takes too long, or too much memory".to_owned(),
            (kind, None) => kind.to_string(),
            (ErrorKind::SyntaxError | ErrorKind::InvalidOperation, Some(detail)) => detail.to_owned(),
            (kind, Some(detail)) => format!("{kind}: {detail}"),
        };
        let piece = self.piece(error);
        if let Some(piece) = piece {
            let shown: String = piece.chars().take(SHOWN_CHARS_MAX).collect();
            let _ = write!(problem, ", at `{}`", shown.replace('\n', " "));
        }
        let said = error.detail().unwrap_or_default();
        problem.push_str(&hint(error.kind(), piece.unwrap_or(said)));
        Error::Template {
            name: self.template.name.clone(),
            line: error.line(),
            problem: self.secrets.without(problem),
        }
    }

    fn piece(&self, error: &JinjaError) -> Option<&'a str> {
        let piece = self.template.body.get(error.range()?)?.trim();
        (!piece.is_empty()).then_some(piece)
    }
}

/// What was perhaps meant by the last word of a piece, or of minijinja's own words, that is none we know.
fn hint(kind: ErrorKind, piece: &str) -> String {
    let known = match kind {
        ErrorKind::UndefinedError | ErrorKind::UnknownFunction => NAMES,
        ErrorKind::UnknownFilter => template_filters::NAMES,
        _ => return String::new(),
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = piece.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
    let mut unknown = words.filter(|word| !known.contains(word) && !SAID.contains(word));
    let names = || known.iter().copied();
    unknown
        .next_back()
        .map_or_else(String::new, |word| did_you_mean(word, names()))
}
