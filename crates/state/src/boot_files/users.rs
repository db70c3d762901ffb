//! Who boots from a boot file: boot parameters, boot configurations and rollouts whose kernel, initrd or kernel parameters have
//! its URL.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::bss::Bss;

/// Where boot files are in a URL.
const PREFIX: &str = "/files/";
/// Users that are named; of the others the number.
const NAMED_MAX: usize = 5;

/// In words, who boots from any of `files`; `None`: nobody.
pub(super) fn of_files(bss: &Bss, files: &BTreeSet<&str>) -> Option<String> {
    let entries = bss.entries().map(|entry| {
        let texts = [&entry.kernel, &entry.initrd, &entry.params];
        ("boot parameters of", entry.key.as_str(), texts)
    });
    let configurations = bss.configurations().map(|stored| {
        let texts = [&stored.kernel, &stored.initrd, &stored.params];
        ("boot configuration", stored.name.as_str(), texts)
    });
    let rollouts = bss
        .boot_rollouts()
        .filter(|rollout| bss.goes_on(rollout))
        .map(|stored| {
            let texts = [&stored.kernel, &stored.initrd, &stored.params];
            ("rollout", stored.name.as_str(), texts)
        });
    let all = entries.chain(configurations).chain(rollouts);
    let mut users = all.filter_map(|(kind, name, texts)| {
        let file = texts.into_iter().find_map(|text| named_in(text, files))?;
        Some((kind, name, file))
    });
    let mut text = String::new();
    for (kind, name, file) in users.by_ref().take(NAMED_MAX) {
        let comma = if text.is_empty() { "" } else { ", " };
        // writing to a text cannot fail
        let _ = write!(text, "{comma}the {kind} {name} name {file}");
    }
    match users.count() {
        0 if text.is_empty() => None,
        0 => Some(text),
        more => Some(format!("{text}, and {more} others")),
    }
}

/// The first of `files` whose URL is in `text`. Which host it is at does not matter: it may be any name of this cluster.
fn named_in<'a>(text: &str, files: &BTreeSet<&'a str>) -> Option<&'a str> {
    text.match_indices(PREFIX).find_map(|(at, _)| {
        let rest = &text[at + PREFIX.len()..];
        let rest = rest.split(char::is_whitespace).next().unwrap_or_default();
        let path = percent_decoded(rest);
        let mut found = files
            .iter()
            .filter(|file| begins_with_path(&path, file.as_bytes()));
        found.next().copied()
    })
}

/// Whether `path` is `file`, or that with something behind it that is no part of a file's name.
fn begins_with_path(path: &[u8], file: &[u8]) -> bool {
    let continues = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/~+@".contains(byte) || *byte >= 0x80;
    path.strip_prefix(file)
        .is_some_and(|rest| !rest.first().is_some_and(continues))
}

/// RFC 3986: `%` and two hex digits are a byte; anything else is what it is.
fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let pair = (*byte == b'%')
            .then(|| digit(at + 1).zip(digit(at + 2)))
            .flatten();
        let value = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever boots from a file is found however its URL is written, and nobody else.
    #[test]
    fn a_file_is_found_in_every_way_to_write_its_url() {
        let files = BTreeSet::from(["debian/vmlinuz", "a b/ü"]);
        for text in [
            "http://10.97.0.1:8081/files/debian/vmlinuz",
            "/files/debian/vmlinuz",
            "root=live:http://h/files/debian/vmlinuz quiet",
            "x=http://h/files/debian%2Fvmlinuz?a=b",
            "x=http://h/files/other,y=http://h/files/debian/vmlinuz",
            "http://h/files/d%65bian/vmlinuz#x",
            "\"http://h/files/debian/vmlinuz\"",
        ] {
            assert_eq!(named_in(text, &files), Some("debian/vmlinuz"), "{text}");
        }
        assert_eq!(named_in("http://h/files/a%20b/%C3%BC", &files), Some("a b/ü"));
        for text in [
            "",
            "quiet",
            "http://h/files/",
            "http://h/files/debian/vmlinuz-2",
            "http://h/files/debian/vmlinuz/x",
            "http://h/files/debian/vmlinu",
            "http://h/files/x/debian/vmlinuz",
            "http://h/debian/vmlinuz",
            "http://h/files/debian%",
            "http://h/files/debian%2",
        ] {
            assert_eq!(named_in(text, &files), None, "{text}");
        }
    }
}
