//! Who boots an image or a boot file: boot configurations and rollouts that name the image, and what has the URL of a file in its
//! kernel, initrd or kernel parameters: boot parameters of BSS v1, too.

use std::collections::BTreeSet;

use boot_choice::image_fits;
use proto::boot_file::v1::Image;

use super::BootFiles;
use crate::bss::Bss;

/// Where boot files are in a URL.
const PREFIX: &str = "/files/";
/// Uses that are named; of the others the number.
const NAMED_MAX: usize = 5;

/// Something that nodes boot by.
struct User<'a> {
    kind: &'static str,
    name: &'a str,
    /// Name of its image; may be empty.
    image: &'a str,
    /// Its kernel, initrd and kernel parameters.
    texts: [&'a String; 3],
}

impl User<'_> {
    /// In words, how it uses the image of this name, or one of `files`; `None`: not at all.
    fn uses(&self, all: &BootFiles, image: &str, files: &BTreeSet<&str>) -> Option<String> {
        let (kind, name) = (self.kind, self.name);
        if self.image == image {
            return Some(format!("the {kind} {name} boots it"));
        }
        let of_image = all.images.get(self.image).map(|other| &other.params);
        let mut texts = self.texts.into_iter().chain(of_image);
        let file = texts.find_map(|text| named_in(text, files))?;
        Some(format!("the {kind} {name} name {file}"))
    }
}

/// Everything that nodes boot by, now or with the next step of a rollout.
fn users(bss: &Bss) -> impl Iterator<Item = User<'_>> {
    let entries = bss.entries().map(|entry| User {
        kind: "boot parameters of",
        name: &entry.key,
        image: "",
        texts: [&entry.kernel, &entry.initrd, &entry.params],
    });
    let configurations = bss.configurations().map(|stored| User {
        kind: "boot configuration",
        name: &stored.name,
        image: &stored.image,
        texts: [&stored.kernel, &stored.initrd, &stored.params],
    });
    let rollouts = bss.boot_rollouts().filter(move |rollout| bss.goes_on(rollout));
    let rollouts = rollouts.map(|stored| User {
        kind: "rollout",
        name: &stored.name,
        image: &stored.image,
        texts: [&stored.kernel, &stored.initrd, &stored.params],
    });
    entries.chain(configurations).chain(rollouts)
}

/// In words, who boots the image of this name, or from any of `files`; `None`: nobody.
pub(super) fn of_image(bss: &Bss, all: &BootFiles, image: &str, files: &BTreeSet<&str>) -> Option<String> {
    let mut uses = users(bss).filter_map(|user| user.uses(all, image, files));
    let named: Vec<String> = uses.by_ref().take(NAMED_MAX).collect();
    let text = named.join(", ");
    match uses.count() {
        0 if text.is_empty() => None,
        0 => Some(text),
        more => Some(format!("{text}, and {more} others")),
    }
}

/// The first boot configuration that the image does not fit, of those that boot it or are to be changed so.
pub(super) fn of_another_arch<'a>(bss: &'a Bss, image: &Image) -> Option<&'a str> {
    let is_to_boot_it = |name: &str| {
        let mut rollouts = bss.boot_rollouts().filter(|rollout| bss.goes_on(rollout));
        rollouts.any(|rollout| rollout.configuration == name && rollout.image == image.name)
    };
    let mut others = bss.configurations().filter(|stored| {
        !image_fits(image, stored.arch()) && (stored.image == image.name || is_to_boot_it(&stored.name))
    });
    others.next().map(|stored| stored.name.as_str())
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
