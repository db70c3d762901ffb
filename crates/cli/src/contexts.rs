//! Named contexts: which cluster is meant, and how it is asked. `/etc/chamois/cli.toml` is the site's, `config.toml` the user's.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::args::{Consistency, GlobalArgs};
use crate::duration;
use crate::error::{CliError, Kind};
use crate::output::Format;

/// What the site says for everybody on this host.
const OF_SITE: &str = "/etc/chamois/cli.toml";
/// A file of contexts is small; a larger one is another file, bytes.
const BYTES_MAX: u64 = 1 << 20;
/// Symbolic links that are followed one after the other, as Linux does.
const LINKS_MAX: usize = 40;
/// Longest name of a context.
const NAME_CHARS_MAX: usize = 63;

/// One context: everything that it leaves open is as without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ContextFields {
    /// host:port of members' gRPC API.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) endpoints: Vec<String>,
    /// Certificate of the cluster's CA (PEM); relative to the file that says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// File with a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificate to show instead of a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_certificate: Option<PathBuf>,
    /// Form of answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Format>,
    /// Time to wait for an answer, as `--timeout` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<String>,
    /// What reads rest on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consistency: Option<Consistency>,
}

/// What is in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ContextFile {
    /// The context that counts unless another is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// By name.
    pub(crate) contexts: BTreeMap<String, ContextFields>,
}

/// Both files together: what the user says of a name replaces what the site says of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contexts {
    site: ContextFile,
    own: ContextFile,
    /// Where the user's are kept; none if there is no home.
    own_path: Option<PathBuf>,
}

impl Contexts {
    /// Reads both files; one that is not there says nothing.
    ///
    /// # Errors
    /// `Usage` naming file and line of what cannot be understood.
    pub(crate) fn read() -> Result<Contexts, CliError> {
        Self::read_at(Path::new(OF_SITE), own_path())
    }

    fn read_at(site: &Path, own_path: Option<PathBuf>) -> Result<Contexts, CliError> {
        let own = own_path.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(Contexts {
            site: read(site)?,
            own,
            own_path,
        })
    }

    /// All names with what they mean, and whether the user's own file says it.
    pub(crate) fn all(&self) -> BTreeMap<&str, (&ContextFields, bool)> {
        let site = self
            .site
            .contexts
            .iter()
            .map(|(name, fields)| (name.as_str(), (fields, false)));
        let own = self
            .own
            .contexts
            .iter()
            .map(|(name, fields)| (name.as_str(), (fields, true)));
        site.chain(own).collect()
    }

    /// The name that counts unless another is given.
    pub(crate) fn current(&self) -> Option<&str> {
        self.own.current.as_deref().or(self.site.current.as_deref())
    }

    /// One of them.
    ///
    /// # Errors
    /// `NotFound` with the names that there are.
    pub(crate) fn get(&self, name: &str) -> Result<&ContextFields, CliError> {
        let own = self.own.contexts.get(name);
        own.or_else(|| self.site.contexts.get(name))
            .ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> CliError {
        let names: Vec<&str> = self.all().into_keys().collect();
        let remedy = match names.is_empty() {
            true => "There is none yet: `chamois config set NAME --endpoints HOST:PORT --ca FILE` makes one."
                .to_owned(),
            false => format!("There are: {}.", names.join(", ")),
        };
        CliError::new(Kind::NotFound, format!("no context {name:?}")).with_remedy(remedy)
    }

    /// The user's own file, to be changed and written.
    pub(crate) fn own_mut(&mut self) -> &mut ContextFile {
        &mut self.own
    }

    /// Whether the user's own file says something of this name.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        self.own.contexts.contains_key(name)
    }

    /// Writes the user's own file as a whole, or not at all.
    ///
    /// # Errors
    /// `Usage` without a home, else naming the file.
    pub(crate) fn write(&self) -> Result<PathBuf, CliError> {
        let Some(path) = &self.own_path else {
            let text = "set XDG_CONFIG_HOME or HOME: contexts are kept below it";
            return Err(CliError::new(Kind::Usage, text));
        };
        let failed = |error: &dyn std::fmt::Display| {
            CliError::other(&format!("cannot write {}", path.display()), error)
        };
        let text = toml::to_string_pretty(&self.own).map_err(|error| failed(&error))?;
        let file_itself = behind_links(path).map_err(|error| failed(&error))?;
        let folder = file_itself.parent().unwrap_or_else(|| Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
        let head = "# Contexts of `chamois`; `chamois config` writes this file anew, without comments.\n";
        let written = file
            .write_all(head.as_bytes())
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.as_file().sync_all());
        written.map_err(|error| failed(&error))?;
        file.persist(&file_itself).map_err(|error| failed(&error.error))?;
        Ok(path.clone())
    }
}

/// The file that links lead to, whether it is there or not: those who keep their files elsewhere keep the link.
fn behind_links(path: &Path) -> std::io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let to = match std::fs::read_link(&path) {
            Ok(to) => to,
            // no link, or nothing at all
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        };
        path = path.parent().unwrap_or_else(|| Path::new(".")).join(to);
    }
    Err(std::io::Error::other(format!(
        "more than {LINKS_MAX} symbolic links one after the other; do they lead back?"
    )))
}

/// `$XDG_CONFIG_HOME/chamois/config.toml`, or below `~/.config`.
fn own_path() -> Option<PathBuf> {
    let of = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = of("XDG_CONFIG_HOME").or_else(|| Some(of("HOME")?.join(".config")))?;
    Some(folder.join("chamois/config.toml"))
}

/// Names are words of a command line and keys of TOML.
///
/// # Errors
/// A sentence about what is wrong with it.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("a name has up to 63 letters, digits, - _ and .".to_owned()),
    }
}

fn read(path: &Path) -> Result<ContextFile, CliError> {
    let refused = |problem: &dyn std::fmt::Display| {
        CliError::new(Kind::Usage, format!("{}: {problem}", path.display()))
    };
    let text = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(ContextFile::default()),
        Ok(metadata) if metadata.len() > BYTES_MAX => return Err(refused(&"too large for contexts")),
        Ok(_) | Err(_) => std::fs::read_to_string(path).map_err(|error| refused(&error))?,
    };
    let mut file: ContextFile = toml::from_str(&text).map_err(|error| refused(&error))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    for (name, context) in &mut file.contexts {
        let files = [
            &mut context.ca,
            &mut context.token_file,
            &mut context.client_certificate,
        ];
        for relative in files.into_iter().flatten() {
            *relative = folder.join(without_tilde(relative));
        }
        if let Some(Err(problem)) = context.timeout.as_deref().map(duration::parse) {
            return Err(refused(&format!("contexts.{name}.timeout: {problem}")));
        }
    }
    Ok(file)
}

/// `~/x` as a file of the user's home.
fn without_tilde(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_owned(),
    }
}

/// What counts: an option or the environment, then the context, then the default. Beside `--context` the environment has been left out
/// already, see [`crate::args::Cli::of_command_line`].
///
/// # Errors
/// As [`Contexts::read`] and [`Contexts::get`].
pub(crate) fn applied(global: &GlobalArgs) -> Result<GlobalArgs, CliError> {
    let contexts = Contexts::read()?;
    let named = global.context.as_deref().filter(|name| !name.is_empty());
    match named.or(contexts.current()) {
        None => Ok(global.clone().without_context()),
        Some(name) => Ok(merged(
            global,
            contexts.get(name)?,
            global.token_of_environment().is_some(),
        )),
    }
}

/// Credentials of a context go to no other cluster: they count only with its own CA.
fn merged(global: &GlobalArgs, context: &ContextFields, has_token: bool) -> GlobalArgs {
    let is_same_cluster = global.ca.is_none() || global.ca == context.ca;
    let says_who = has_token || global.token_file.is_some() || global.client_certificate.is_some();
    let takes_credentials = is_same_cluster && !says_who;
    let credential = |file: &Option<PathBuf>| file.clone().filter(|_| takes_credentials);
    let endpoints = match global.endpoints.iter().all(String::is_empty) {
        true => context.endpoints.clone(),
        false => global.endpoints.clone(),
    };
    let timeout = context
        .timeout
        .as_deref()
        .and_then(|text| duration::parse(text).ok());
    GlobalArgs {
        endpoints,
        ca: global.ca.clone().or_else(|| context.ca.clone()),
        token_file: global
            .token_file
            .clone()
            .or_else(|| credential(&context.token_file)),
        client_certificate: global
            .client_certificate
            .clone()
            .or_else(|| credential(&context.client_certificate)),
        timeout: global.timeout.or(timeout),
        consistency: global.consistency.or(context.consistency),
        output: global.given_output.or(context.output).unwrap_or_default(),
        ..global.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PROD: &str = r#"
current = "prod"
[contexts.prod]
endpoints = ["a:7441", "b:7441"]
ca = "prod-ca.pem"
token-file = "/run/token"
output = "wide"
timeout = "2m"
consistency = "local"
"#;

    fn contexts(site: &str, own: &str) -> Result<Contexts, CliError> {
        let dir = tempfile::tempdir().unwrap();
        let (site_path, own_path) = (dir.path().join("cli.toml"), dir.path().join("config.toml"));
        std::fs::write(&site_path, site).unwrap();
        std::fs::write(&own_path, own).unwrap();
        Contexts::read_at(&site_path, Some(own_path))
    }

    fn prod() -> ContextFields {
        contexts("", PROD).unwrap().get("prod").unwrap().clone()
    }

    #[test]
    fn a_context_says_all_that_nobody_else_says() {
        let merged = merged(&GlobalArgs::default(), &prod(), false);
        assert_eq!(merged.endpoints, ["a:7441", "b:7441"]);
        assert!(merged.ca.unwrap().ends_with("prod-ca.pem"));
        assert_eq!(merged.token_file.as_deref(), Some(Path::new("/run/token")));
        assert_eq!(merged.output, Format::Wide);
        assert_eq!(merged.timeout, Some(Duration::from_secs(120)));
        assert_eq!(merged.consistency, Some(Consistency::Local));
    }

    #[test]
    fn an_option_or_the_environment_outranks_the_context() {
        let given = GlobalArgs {
            endpoints: vec!["c:1".into()],
            given_output: Some(Format::Json),
            timeout: Some(Duration::from_secs(1)),
            consistency: Some(Consistency::Linearizable),
            token_file: Some("/mine".into()),
            ..GlobalArgs::default()
        };
        let merged = merged(&given, &prod(), false);
        assert_eq!(merged.endpoints, ["c:1"]);
        assert_eq!((merged.output, merged.timeout), (Format::Json, given.timeout));
        assert_eq!(merged.consistency, Some(Consistency::Linearizable));
        assert_eq!(merged.token_file.as_deref(), Some(Path::new("/mine")));
    }

    /// A token of production must not be sent to whoever `--endpoints` and `--ca` name.
    #[test]
    fn credentials_of_a_context_go_to_its_own_cluster_only() {
        let of_another = GlobalArgs {
            ca: Some("/other/ca.pem".into()),
            endpoints: vec!["other:7441".into()],
            ..GlobalArgs::default()
        };
        assert_eq!(merged(&of_another, &prod(), false).token_file, None);
        assert_eq!(
            merged(&GlobalArgs::default(), &prod(), true).token_file,
            None,
            "CHAMOIS_TOKEN is set"
        );
        let with_certificate = GlobalArgs {
            client_certificate: Some("/me.pem".into()),
            ..GlobalArgs::default()
        };
        assert_eq!(merged(&with_certificate, &prod(), false).token_file, None);
    }

    #[test]
    fn the_users_own_file_outranks_the_sites() {
        let site =
            "current = \"a\"\n[contexts.a]\nendpoints = [\"site:1\"]\n[contexts.b]\nendpoints = [\"b:1\"]\n";
        let own = "[contexts.a]\nendpoints = [\"own:1\"]\n";
        let both = contexts(site, own).unwrap();
        assert_eq!(both.current(), Some("a"));
        assert_eq!(both.get("a").unwrap().endpoints, ["own:1"]);
        assert_eq!(both.get("b").unwrap().endpoints, ["b:1"]);
        assert!(both.all()["a"].1 && !both.all()["b"].1);
    }

    #[test]
    fn what_cannot_be_understood_is_named_with_its_file_and_line() {
        for (text, part) in [
            ("[contexts.a]\nendpoint = \"a:1\"\n", "endpoint"),
            ("contexts = 1\n", "line 1"),
            ("[contexts.a]\ntimeout = \"6m\"\n", "contexts.a.timeout"),
            ("[contexts.a]\noutput = \"xml\"\n", "xml"),
        ] {
            let error = contexts("", text).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains(part), "{error}");
            assert!(error.to_string().contains("config.toml"), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let error = contexts("", PROD).unwrap().get("prd").unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("prod"), "{error}");
    }

    /// Whoever copies the example has a file that is understood.
    #[test]
    fn the_example_is_understood() {
        let example = contexts(include_str!("../../../deploy/examples/cli.toml"), "").unwrap();
        let prod = example.get(example.current().unwrap()).unwrap();
        assert_eq!(prod.endpoints.len(), 3);
        assert_eq!(prod.output, Some(Format::Table));
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chamois/config.toml");
        let mut contexts = Contexts::read_at(&dir.path().join("none"), Some(path.clone())).unwrap();
        contexts.own_mut().current = Some("x.y".into());
        let fields = ContextFields {
            ca: Some("/ca.pem".into()),
            ..prod()
        };
        contexts.own_mut().contexts.insert("x.y".into(), fields.clone());
        contexts.write().unwrap();
        let again = Contexts::read_at(&dir.path().join("none"), Some(path)).unwrap();
        assert_eq!(again.get("x.y").unwrap(), &fields);
        assert_eq!(again.current(), Some("x.y"));
    }

    /// Whoever keeps the file among others of theirs finds the link as it was, and the file changed: one that is not there yet, too.
    #[test]
    fn a_file_behind_links_is_written_where_it_is() {
        for is_there in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let (link, again) = (dir.path().join("config.toml"), dir.path().join("again.toml"));
            let itself = dir.path().join("kept/chamois.toml");
            if is_there {
                std::fs::create_dir(dir.path().join("kept")).unwrap();
                std::fs::write(&itself, "").unwrap();
            }
            std::os::unix::fs::symlink("again.toml", &link).unwrap();
            std::os::unix::fs::symlink("kept/chamois.toml", &again).unwrap();
            let mut contexts = Contexts::read_at(&dir.path().join("none"), Some(link.clone())).unwrap();
            contexts.own_mut().current = Some("x".into());
            assert_eq!(contexts.write().unwrap(), link);
            for link in [&link, &again] {
                assert!(link.is_symlink(), "{} is a file now", link.display());
            }
            let text = std::fs::read_to_string(&itself).unwrap();
            assert!(text.contains("current = \"x\""), "{text}");
        }
    }

    #[test]
    fn links_that_lead_back_are_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        std::os::unix::fs::symlink("two", &one).unwrap();
        std::os::unix::fs::symlink("one", &two).unwrap();
        assert!(behind_links(&one).unwrap_err().to_string().contains("lead back"));
    }

    #[test]
    fn a_name_is_a_plain_word() {
        assert!(name("prod-2.site_a").is_ok());
        for wrong in ["", "a b", "ä", "a/b", &"x".repeat(64)] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
