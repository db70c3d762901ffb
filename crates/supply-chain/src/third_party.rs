//! The licence texts of what is linked into the executable: most licences ask that their text goes with every copy.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::sbom::Build;
use crate::{Error, PackageId, licences};

/// How such a file's name begins, in capitals.
const NAMES: &[&str] = &[
    "LICENSE",
    "LICENCE",
    "COPYING",
    "COPYRIGHT",
    "NOTICE",
    "UNLICENSE",
];

/// Endings of files that only speak of licences.
const NOT_TEXTS: &[&str] = &[
    "rs", "c", "h", "py", "go", "sh", "toml", "json", "yml", "yaml", "html",
];

/// Texts by what they say, numbered as they come.
#[derive(Default)]
struct Texts {
    numbers: BTreeMap<String, usize>,
    in_order: Vec<(String, String)>,
}

impl Texts {
    fn number(&mut self, text: String, found_as: String) -> usize {
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        let number = self.in_order.len() + 1;
        self.numbers.insert(text.clone(), number);
        self.in_order.push((found_as, text));
        number
    }
}

impl Build {
    /// The list of works of others in the executable, then each licence text once. Where the same crates are built
    /// from the same packages it has the same bytes.
    ///
    /// # Errors
    /// `Unknown` and `Read` if a package is not unpacked on this machine as the build left it.
    pub fn third_party(&self) -> Result<String, Error> {
        let mut texts = Texts::default();
        let mut list = String::from(
            "Works of others in the executable chamois, with their licences; the texts follow the list.\n",
        );
        for id in self.running.linked() {
            if self.lock.package(id)?.source.is_some() {
                self.write_one(id, &mut texts, &mut list)?;
            }
        }
        for (number, (found_as, text)) in texts.in_order.iter().enumerate() {
            let _ = write!(
                list,
                "\n==== text {}: {found_as} ====\n\n{}\n",
                number + 1,
                text.trim_end()
            );
        }
        Ok(list)
    }

    fn write_one(&self, id: &PackageId, texts: &mut Texts, list: &mut String) -> Result<(), Error> {
        let manifest = self.manifest(id)?;
        let folder = manifest.manifest_path.parent().unwrap_or(&manifest.manifest_path);
        let mut numbers = Vec::new();
        for path in licence_files(folder)? {
            let bytes = fs::read(&path).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })?;
            let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
            let shown = path.strip_prefix(folder).unwrap_or(&path).display();
            let number = texts.number(text, format!("{shown} of {id}"));
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        let licence = manifest.license.as_deref().map(licences::normalised);
        let _ = writeln!(list, "\n{id}: {}", licence.unwrap_or_default());
        if let Some(repository) = &manifest.repository {
            let _ = writeln!(list, "  {repository}");
        }
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let shown = match numbers.as_slice() {
            [] => "the package has no text of its own".to_owned(),
            _ => format!("texts {}", numbers.join(", ")),
        };
        let _ = writeln!(list, "  {shown}");
        Ok(())
    }
}

/// Licence files at any depth: crates that bring C code have those of the C code below. Sorted by path; links are not
/// followed, what they name lies elsewhere.
fn licence_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Read {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            found.extend(licence_files(&entry.path())?);
        } else if kind.is_file() && is_licence(&entry.path()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn is_licence(path: &Path) -> bool {
    let upper =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().to_ascii_uppercase();
    let ending = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    if NOT_TEXTS.contains(&ending.as_str()) {
        return false;
    }
    let name = upper(path.file_name());
    let folder = upper(path.parent().and_then(Path::file_name));
    folder == "LICENSES" || NAMES.iter().any(|begin| name.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sbom::tests::build;

    /// The build of the bill's tests, unpacked: `files` are paths and contents below `zstd-sys`.
    fn unpacked(files: &[(&str, &str)]) -> (tempfile::TempDir, Build) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut build = build();
        for manifest in build.manifests.values_mut() {
            manifest.manifest_path = folder.path().join("Cargo.toml");
        }
        (folder, build)
    }

    #[test]
    fn works_of_others_are_listed_with_their_texts() {
        let (_folder, build) = unpacked(&[
            ("LICENSE-MIT", "Permission is granted\r\nto all.\n"),
            ("zstd/COPYING", "of the C code\n"),
            ("zstd/LICENSE", "Permission is granted\nto all.\n"),
            ("src/license.rs", "fn license() {}"),
        ]);
        let text = build.third_party().unwrap();
        assert!(
            text.contains(
                "\nzstd-sys 2.0.16+zstd.1.5.7: MIT OR Apache-2.0\n  https://example.org/it\n  texts 1, 2\n"
            ),
            "{text}"
        );
        assert!(text.contains("==== text 1: LICENSE-MIT of zstd-sys 2.0.16+zstd.1.5.7 ====\n\nPermission is granted\nto all.\n"), "{text}");
        assert_eq!(text.matches("Permission is granted").count(), 1, "{text}");
        assert!(!text.contains("fn license"), "{text}");
    }

    #[test]
    fn what_is_ours_or_only_builds_is_not_listed() {
        let (_folder, build) = unpacked(&[("LICENSE", "text\n")]);
        let text = build.third_party().unwrap();
        for name in ["state", "serde_derive", "cc", "unused"] {
            assert!(!text.contains(&format!("\n{name} ")), "{text}");
        }
    }

    #[test]
    fn a_package_without_a_text_says_so() {
        let (_folder, build) = unpacked(&[("README.md", "hello")]);
        let text = build.third_party().unwrap();
        assert!(text.contains("  the package has no text of its own\n"), "{text}");
        assert!(!text.contains("===="), "{text}");
    }

    #[test]
    fn the_same_packages_have_the_same_bytes() {
        let files = [
            ("b/LICENSE", "two\n"),
            ("a/LICENSE", "one\n"),
            ("LICENSE", "zero\n"),
        ];
        let (_one, first) = unpacked(&files);
        let (_two, second) = unpacked(&files);
        assert_eq!(first.third_party().unwrap(), second.third_party().unwrap());
    }

    #[test]
    fn a_package_that_is_not_unpacked_is_an_error() {
        let error = build().third_party().unwrap_err();
        assert!(error.to_string().contains("/src/zstd-sys"), "{error}");
    }

    #[test]
    fn licence_files_are_known_by_their_names() {
        for (path, expected) in [
            ("LICENSE", true),
            ("LICENSE.BSD-2-Clause", true),
            ("license-apache", true),
            ("UNLICENSE", true),
            ("COPYING.md", true),
            ("LICENSES/MIT.txt", true),
            ("src/licence.rs", false),
            ("README.md", false),
            ("licenses/README.html", false),
        ] {
            assert_eq!(is_licence(Path::new(path)), expected, "{path}");
        }
    }
}
