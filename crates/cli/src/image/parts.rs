//! Which of the files that a source has are the parts of an image.

use std::fmt;
use std::path::PathBuf;

use crate::error::{CliError, Kind};

/// Files that a source may have to choose from.
pub(super) const FOUND_MAX: usize = 256;
/// Of them so many are shown.
const SHOWN_MAX: usize = 20;

/// What a file is to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Kernel,
    Initrd,
    RootFs,
    KernelSignature,
    InitrdSignature,
}

/// What the name of a signature has behind that of what is signed.
const SIGNATURE_SUFFIX: &str = ".sig";

impl Role {
    /// Those that an option names; the others go with them.
    pub(super) const ALL: [Role; 3] = [Role::Kernel, Role::Initrd, Role::RootFs];
    /// Everything that an image has.
    pub(super) const EVERY: [Role; 5] = [
        Role::Kernel,
        Role::Initrd,
        Role::RootFs,
        Role::KernelSignature,
        Role::InitrdSignature,
    ];

    /// Its signature; the root file system is nothing that iPXE loads.
    pub(super) fn signature(self) -> Option<Role> {
        match self {
            Role::Kernel => Some(Role::KernelSignature),
            Role::Initrd => Some(Role::InitrdSignature),
            Role::RootFs | Role::KernelSignature | Role::InitrdSignature => None,
        }
    }

    /// What a file of this path usually is.
    pub(super) fn of(path: &str) -> Option<Role> {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name.ends_with(SIGNATURE_SUFFIX) {
            None
        } else if name.ends_with(".squashfs") {
            Some(Role::RootFs)
        } else if name.starts_with("vmlinuz") || name == "Image" {
            Some(Role::Kernel)
        } else if name.starts_with("initr") {
            Some(Role::Initrd)
        } else {
            None
        }
    }

    /// The option that chooses it.
    pub(super) fn option(self) -> &'static str {
        match self {
            Role::Kernel => "--kernel",
            Role::Initrd => "--initrd",
            Role::RootFs => "--root-fs",
            Role::KernelSignature | Role::InitrdSignature => "--signatures",
        }
    }

    /// What its boot file is called in the image's folder.
    pub(super) fn file_name(self) -> &'static str {
        match self {
            Role::Kernel => "vmlinuz",
            Role::Initrd => "initrd",
            Role::RootFs => "root.squashfs",
            Role::KernelSignature => "vmlinuz.sig",
            Role::InitrdSignature => "initrd.sig",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Kernel => "kernel",
            Role::Initrd => "initial RAM disk",
            Role::RootFs => "root file system",
            Role::KernelSignature => "signature of the kernel",
            Role::InitrdSignature => "signature of the initial RAM disk",
        })
    }
}

/// What the options say about the parts; an option that is not given is `None`.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    pub(super) kernel: Option<String>,
    pub(super) initrd: Option<String>,
    pub(super) root_fs: Option<String>,
    /// Parts that come from elsewhere: nothing is looked for.
    pub(super) elsewhere: Vec<Role>,
    /// Kernel and initrd must have signatures: files named like them, with `.sig` behind. Others are left alone.
    pub(super) signatures: bool,
}

/// Where the signature of the file, or of what is at the URL, is expected.
pub(super) fn signature_of(name: &str) -> String {
    match name.split_once('?').filter(|_| name.contains("://")) {
        Some((path, query)) => format!("{path}{SIGNATURE_SUFFIX}?{query}"),
        None => format!("{name}{SIGNATURE_SUFFIX}"),
    }
}

impl Choices {
    pub(super) fn of(&self, role: Role) -> Option<&str> {
        match role {
            Role::Kernel => self.kernel.as_deref(),
            Role::Initrd => self.initrd.as_deref(),
            Role::RootFs => self.root_fs.as_deref(),
            Role::KernelSignature | Role::InitrdSignature => None,
        }
    }

    /// The path of what a file is the signature of, if signatures are wanted; else its own.
    pub(super) fn signed<'a>(&self, path: &'a str) -> &'a str {
        let signed = path.strip_suffix(SIGNATURE_SUFFIX);
        signed.filter(|_| self.signatures).unwrap_or(path)
    }

    /// Whether a file of this path may become a part: by its name, or because an option names it.
    pub(super) fn admit(&self, path: &str) -> bool {
        let path = self.signed(path);
        Role::of(path).is_some() || Role::ALL.into_iter().any(|role| self.of(role) == Some(path))
    }
}

/// Bytes on this host's disk: a file, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
    /// `None`: to the end.
    pub(super) size: Option<u64>,
}

impl Bytes {
    /// A whole file.
    pub(super) fn of_file(path: PathBuf) -> Self {
        Self {
            path,
            offset: 0,
            size: None,
        }
    }
}

/// A file that a source has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// As the source calls it; what an option names.
    pub(super) name: String,
    pub(super) bytes: Bytes,
}

/// The parts of an image.
pub(super) type Parts = Vec<(Role, Bytes)>;

/// One file for each part: what an option names, else the only one that looks like it.
///
/// # Errors
/// No kernel, a signature that is missing, or several files that may be the same part, or a name that is not there: with what there is and the option that
/// chooses.
pub(super) fn choose(source: &str, found: &[Found], choices: &Choices) -> Result<Parts, CliError> {
    let mut parts = Parts::new();
    for role in Role::ALL
        .into_iter()
        .filter(|role| !choices.elsewhere.contains(role))
    {
        let chosen = match choices.of(role) {
            Some(name) => Some(named(source, found, role, name)?),
            None => only(source, found, role)?,
        };
        if let Some(found) = chosen {
            parts.push((role, found.bytes.clone()));
        }
        if let (Some(chosen), Some(signature)) = (chosen, role.signature().filter(|_| choices.signatures)) {
            let signed_by = named(source, found, signature, &signature_of(&chosen.name))?;
            parts.push((signature, signed_by.bytes.clone()));
        }
    }
    Ok(parts)
}

fn named<'a>(source: &str, found: &'a [Found], role: Role, name: &str) -> Result<&'a Found, CliError> {
    let here = found.iter().find(|found| found.name == name);
    here.ok_or_else(|| {
        let text = format!("{source} has no {name} for {}", role.option());
        CliError::new(Kind::NotFound, text).with_remedy(format!("It has: {}", listed(found.iter())))
    })
}

fn only<'a>(source: &str, found: &'a [Found], role: Role) -> Result<Option<&'a Found>, CliError> {
    let candidates: Vec<&Found> = found
        .iter()
        .filter(|found| Role::of(&found.name) == Some(role))
        .collect();
    match candidates.as_slice() {
        [] if role == Role::Kernel => {
            let text = format!("{source} has no kernel: none of its files is called vmlinuz… or Image");
            let remedy = format!("Name it with --kernel. It has: {}", listed(found.iter()));
            Err(CliError::new(Kind::NotFound, text).with_remedy(remedy))
        }
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let text = format!("{source} has more than one {role}");
            let remedy = format!(
                "Choose with {}: {}",
                role.option(),
                listed(several.iter().copied())
            );
            Err(CliError::new(Kind::Usage, text).with_remedy(remedy))
        }
    }
}

/// Names for people: what a stranger's archive calls its files must not move their cursor.
fn listed<'a>(found: impl ExactSizeIterator<Item = &'a Found>) -> String {
    let count = found.len();
    let names: Vec<String> = found.take(SHOWN_MAX).map(|found| shown(&found.name)).collect();
    match (count, count.saturating_sub(SHOWN_MAX)) {
        (0, _) => "nothing that could be a part of an image".to_owned(),
        (_, 0) => names.join(", "),
        (_, more) => format!("{} and {more} more", names.join(", ")),
    }
}

/// A name of a stranger's, for a terminal.
pub(super) fn shown(name: &str) -> String {
    name.escape_debug().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<Found> {
        let one = |name: &&str| Found {
            name: (*name).to_owned(),
            bytes: Bytes::of_file(PathBuf::from("/src").join(name)),
        };
        names.iter().map(one).collect()
    }

    fn roles(names: &[&str], choices: &Choices) -> Vec<(Role, String)> {
        let parts = choose("/src", &found(names), choices).unwrap();
        let name = |bytes: Bytes| bytes.path.strip_prefix("/src").unwrap().display().to_string();
        parts
            .into_iter()
            .map(|(role, bytes)| (role, name(bytes)))
            .collect()
    }

    fn refused(names: &[&str], choices: &Choices) -> String {
        choose("/src", &found(names), choices).unwrap_err().to_string()
    }

    #[test]
    fn files_are_known_by_their_usual_names() {
        let names = [
            "config-6.1",
            "initrd.img-6.1",
            "vmlinuz-6.1",
            "live/filesystem.squashfs",
        ];
        let expected = [
            (Role::Kernel, "vmlinuz-6.1"),
            (Role::Initrd, "initrd.img-6.1"),
            (Role::RootFs, "live/filesystem.squashfs"),
        ];
        let expected = expected.map(|(role, name)| (role, name.to_owned()));
        assert_eq!(roles(&names, &Choices::default()), expected);
        assert_eq!(Role::of("boot/Image"), Some(Role::Kernel));
        assert_eq!(Role::of("initramfs-5.14.img"), Some(Role::Initrd));
        for name in ["Image.md", "System.map", "not-vmlinuz", "vmlinuz/x"] {
            assert_eq!(Role::of(name), None, "{name}");
        }
    }

    /// Which of two kernels is meant is not for a program to guess.
    #[test]
    fn what_is_ambiguous_is_listed_with_the_option_that_chooses() {
        let names = ["vmlinuz-5.10", "vmlinuz-6.1", "initrd"];
        let text = refused(&names, &Choices::default());
        for word in ["more than one kernel", "--kernel", "vmlinuz-5.10, vmlinuz-6.1"] {
            assert!(text.contains(word), "{text}");
        }
        let choices = Choices {
            kernel: Some("vmlinuz-5.10".into()),
            ..Choices::default()
        };
        assert_eq!(roles(&names, &choices)[0].1, "vmlinuz-5.10");
        let wrong = Choices {
            kernel: Some("vmlinuz-7".into()),
            ..Choices::default()
        };
        let text = refused(&names, &wrong);
        assert!(
            text.contains("no vmlinuz-7") && text.contains("vmlinuz-6.1"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_an_image_without_a_kernel() {
        let text = refused(&["initrd"], &Choices::default());
        assert!(
            text.contains("has no kernel") && text.contains("It has: initrd"),
            "{text}"
        );
        assert!(refused(&[], &Choices::default()).contains("nothing that could be"));
        let odd = Choices {
            kernel: Some("bzImage".into()),
            ..Choices::default()
        };
        assert!(odd.admit("bzImage") && !odd.admit("other"));
        let elsewhere = Choices {
            elsewhere: vec![Role::Kernel],
            ..Choices::default()
        };
        assert_eq!(
            roles(&["initrd"], &elsewhere),
            [(Role::Initrd, "initrd".to_owned())]
        );
        assert_eq!(roles(&["bzImage"], &odd), [(Role::Kernel, "bzImage".to_owned())]);
    }

    /// With signatures every part that iPXE loads has its own; without, a signature is no second kernel.
    #[test]
    fn a_signature_goes_with_what_it_signs() {
        let names = [
            "initrd.img",
            "initrd.img.sig",
            "live.squashfs",
            "vmlinuz-6.1",
            "vmlinuz-6.1.sig",
        ];
        let plain: Vec<Role> = roles(&names, &Choices::default())
            .into_iter()
            .map(|(role, _)| role)
            .collect();
        assert_eq!(plain, Role::ALL);
        let signed = Choices {
            signatures: true,
            ..Choices::default()
        };
        let mut found = roles(&names, &signed);
        found.sort();
        assert_eq!(
            found[3..],
            [
                (Role::KernelSignature, "vmlinuz-6.1.sig".to_owned()),
                (Role::InitrdSignature, "initrd.img.sig".to_owned())
            ]
        );
        assert!(signed.admit("boot/vmlinuz.sig") && !Choices::default().admit("boot/vmlinuz.sig"));
        let text = refused(&names[..4], &signed);
        assert!(text.contains("no vmlinuz-6.1.sig for --signatures"), "{text}");
    }

    #[test]
    fn a_signature_is_beside_what_it_signs() {
        assert_eq!(signature_of("boot/vmlinuz"), "boot/vmlinuz.sig");
        assert_eq!(signature_of("http://h/k?v=1"), "http://h/k.sig?v=1");
        assert_eq!(signature_of("odd?name"), "odd?name.sig");
    }

    #[test]
    fn a_strangers_names_do_not_move_the_cursor() {
        let names: Vec<String> = (0..30).map(|n| format!("vmlinuz-{n:02}\u{1b}[2J")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = refused(&names, &Choices::default());
        assert!(!text.contains('\u{1b}') && text.contains("and 10 more"), "{text}");
    }
}
