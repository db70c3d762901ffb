//! What is fetched of a match: what its URLs name, or the parts of its image. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

use proto::boot_file::v1::{Image, ImageFile};
use proto::smd::v1::component::Arch;

use crate::BootMatch;

/// Where boot files are, at the service address of the node's network.
const FILES: &str = "/files/";

/// A part of an image as it is found at a service address: `/files/<name>`, without what would end a word or a command of a script.
fn path_of(file: &ImageFile) -> String {
    let mut path = String::with_capacity(FILES.len() + file.name.len());
    path.push_str(FILES);
    for byte in file.name.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b'/' => path.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => path.push(char::from(byte)),
            _ => {
                // writing to a text cannot fail
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

impl BootMatch {
    /// Whether there is a kernel to boot: one of its own, or that of its image.
    pub fn has_kernel(&self) -> bool {
        self.image.is_some() || !self.source.kernel().is_empty()
    }

    /// URL of the kernel, or the path of a boot file (`/files/…`); may be empty.
    pub fn kernel(&self) -> Cow<'_, str> {
        self.fetched(|image| image.kernel.as_ref(), self.source.kernel())
    }

    /// URL of the initrd, or the path of a boot file; empty for none.
    pub fn initrd(&self) -> Cow<'_, str> {
        self.fetched(|image| image.initrd.as_ref(), self.source.initrd())
    }

    fn fetched<'a>(&'a self, part: fn(&Image) -> Option<&ImageFile>, url: &'a str) -> Cow<'a, str> {
        match &self.image {
            Some(image) => part(image).map(path_of).unwrap_or_default().into(),
            None => url.into(),
        }
    }

    /// Path of the kernel's signature, if its image has one.
    pub fn kernel_signature(&self) -> Option<String> {
        let signature = self.image.as_ref()?.kernel_signature.as_ref();
        signature.map(path_of)
    }

    /// Path of the initrd's signature, if its image has one.
    pub fn initrd_signature(&self) -> Option<String> {
        let signature = self.image.as_ref()?.initrd_signature.as_ref();
        signature.map(path_of)
    }

    /// Kernel parameters of its image; may be empty.
    pub(crate) fn image_params(&self) -> &str {
        self.image.as_ref().map_or("", |image| image.params.as_str())
    }
}

/// Whether a node of `arch` can boot the image, as far as both are known.
pub fn image_fits(image: &Image, arch: Arch) -> bool {
    let is_known = |arch: Arch| matches!(arch, Arch::X86 | Arch::Arm | Arch::Other);
    let own = arch_of(image);
    !is_known(own) || !is_known(arch) || own == arch
}

/// The architecture of an image, as SMD has it.
fn arch_of(image: &Image) -> Arch {
    match image.arch.as_str() {
        "" => Arch::Unspecified,
        "i386" | "x86_64" => Arch::X86,
        "arm32" | "arm64" => Arch::Arm,
        _ => Arch::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name may be any text but for control characters; in a script it must be one word that means nothing else.
    #[test]
    fn no_name_of_a_file_can_become_a_command() {
        let path = |name: &str| {
            path_of(&ImageFile {
                name: name.into(),
                ..ImageFile::default()
            })
        };
        assert_eq!(path("debian-12/vmlinuz_6.1~x"), "/files/debian-12/vmlinuz_6.1~x");
        assert_eq!(path("a b/ü%2e"), "/files/a%20b/%C3%BC%252e");
        let hostile = path("k || reboot ; #${mac}&&\"x\"");
        assert!(
            !hostile.contains(|c: char| c.is_whitespace() || "|;#$&\"{}".contains(c)),
            "{hostile}"
        );
    }

    #[test]
    fn what_is_not_known_fits() {
        let fits = |image: &str, arch| {
            let image = Image {
                arch: image.into(),
                ..Image::default()
            };
            image_fits(&image, arch)
        };
        for (image, arch) in [
            ("x86_64", Arch::X86),
            ("i386", Arch::X86),
            ("arm64", Arch::Arm),
            ("riscv64", Arch::Other),
            ("", Arch::Arm),
            ("arm64", Arch::Unspecified),
            ("arm64", Arch::Unknown),
        ] {
            assert!(fits(image, arch), "{image} {arch:?}");
        }
        for (image, arch) in [
            ("x86_64", Arch::Arm),
            ("arm64", Arch::X86),
            ("riscv64", Arch::X86),
        ] {
            assert!(!fits(image, arch), "{image} {arch:?}");
        }
    }
}
