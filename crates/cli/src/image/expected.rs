//! `--sha256 PART=HEX`: what a part must be, whoever it comes from.

use std::str::FromStr;

use model::Sha256;

use super::parts::Role;
use crate::error::{CliError, Kind};
use crate::file::LocalFile;

/// The SHA-256 that a part must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    role: Role,
    sha256: Sha256,
}

impl FromStr for Expected {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, digest) = text
            .split_once('=')
            .ok_or("write PART=HEX, e.g. kernel=9f86d0…")?;
        let role = Role::ALL
            .into_iter()
            .find(|role| role.option().trim_start_matches('-') == name);
        let role = role.ok_or_else(|| format!("`{name}` is no part; write kernel, initrd or root-fs"))?;
        let sha256: Sha256 = digest
            .parse()
            .map_err(|problem: model::InvalidValue| problem.to_string())?;
        Ok(Self { role, sha256 })
    }
}

/// Whether every part is what it must be: before anything is sent.
///
/// # Errors
/// `Usage` with the part.
pub(super) fn check(expected: &[Expected], files: &[(Role, LocalFile)]) -> Result<(), CliError> {
    for Expected { role, sha256 } in expected {
        let found = files.iter().find(|(given, _)| given == role);
        let Some((_, file)) = found else {
            let text = format!("--sha256 names a {role}, and the image has none");
            return Err(CliError::new(Kind::Usage, text));
        };
        if file.sha256 != *sha256 {
            let text = format!(
                "the {role} has the SHA-256 {}, not {sha256} as --sha256 says; nothing was stored",
                file.sha256
            );
            return Err(CliError::new(Kind::Usage, text)
                .with_remedy("It is another version, or was changed on its way."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn a_part_and_its_digest_are_read() {
        let expected: Expected = format!("root-fs={HELLO}").parse().unwrap();
        assert_eq!(expected.role, Role::RootFs);
        assert_eq!(expected.sha256.to_string(), HELLO);
        for (wrong, problem) in [
            (HELLO.to_owned(), "PART=HEX"),
            (format!("vmlinuz={HELLO}"), "kernel, initrd or root-fs"),
            ("kernel=12".to_owned(), "12"),
        ] {
            let error = wrong.parse::<Expected>().unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_not_as_expected_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinuz");
        std::fs::write(&path, "hello").unwrap();
        let files = [(Role::Kernel, LocalFile::read(path).await.unwrap())];
        let expected = |text: String| [text.parse::<Expected>().unwrap()];
        check(&expected(format!("kernel={HELLO}")), &files).unwrap();
        let other = expected(format!("kernel={}", "0".repeat(64)));
        let error = check(&other, &files).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains(HELLO), "{error}");
        let missing = check(&expected(format!("initrd={HELLO}")), &files).unwrap_err();
        assert!(missing.to_string().contains("the image has none"), "{missing}");
    }
}
