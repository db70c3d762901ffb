//! How OpenSSH's client is called: no configuration of this host counts, nothing but a terminal is asked for.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use redfish::{Login, Password};
use tokio::process::Command;

use crate::password::{HandedPassword, PASSWORD_PIPE};

/// Of the member's data directory: the host keys that BMCs have shown first.
const KNOWN_HOSTS: &str = "bmc-known-hosts";
/// What ssh needs of the environment: where programs are, and whose home it would look into.
const ENVIRONMENT: [&str; 3] = ["PATH", "HOME", "LANG"];
/// Options that are the same for all BMCs (ssh_config(5)).
const OPTIONS: [&str; 18] = [
    "BatchMode=no",
    "CheckHostIP=no",
    "ClearAllForwardings=yes",
    "ConnectTimeout=10",
    "ControlMaster=no",
    "ControlPath=none",
    "EscapeChar=none",
    "ForwardAgent=no",
    "HashKnownHosts=no",
    "IdentitiesOnly=yes",
    "LogLevel=ERROR",
    "NumberOfPasswordPrompts=1",
    "PermitLocalCommand=no",
    "PreferredAuthentications=password,keyboard-interactive",
    "PubkeyAuthentication=no",
    "ServerAliveInterval=15",
    "StrictHostKeyChecking=accept-new",
    "UpdateHostKeys=no",
];

/// OpenSSH's client, and what it needs on this member.
#[derive(Clone, Debug)]
pub struct SshProgram {
    program: PathBuf,
    data_dir: PathBuf,
    askpass: PathBuf,
}

/// A console's SSH server.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Address, without brackets. No name: ssh would look it up by itself and go wherever it leads.
    pub host: String,
    /// What its host key is kept as, where that is not the address.
    pub known_as: Option<String>,
    /// TCP port.
    pub port: u16,
    /// Who logs in.
    pub login: Login,
}

impl SshProgram {
    /// `program` is a name that is looked for in `PATH`, or a path; 8.4 is the oldest version that will do. Host keys are kept in
    /// `bmc-known-hosts` of `data_dir`, which is this member's own.
    ///
    /// # Errors
    /// If this executable cannot tell where it is: ssh asks it for passwords.
    pub fn new(program: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> std::io::Result<SshProgram> {
        Ok(SshProgram {
            program: program.into(),
            data_dir: data_dir.into(),
            askpass: std::env::current_exe()?,
        })
    }

    /// The same with another program that is asked for passwords; it finds the pipe's path in `CHAMOIS_SSH_PASSWORD_PIPE`.
    #[must_use]
    pub fn with_askpass(self, askpass: impl Into<PathBuf>) -> SshProgram {
        SshProgram {
            askpass: askpass.into(),
            ..self
        }
    }

    /// The file with the host keys.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.data_dir.join(KNOWN_HOSTS)
    }

    /// Puts the password where ssh gets it.
    pub(crate) fn hand(&self, password: &Password) -> std::io::Result<HandedPassword> {
        HandedPassword::new(&self.data_dir, password)
    }

    /// The call for `line`. Its input and outputs are pipes, and it ends with its handle.
    pub(crate) fn command(&self, line: &Line, password: &HandedPassword) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear();
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("SSH_ASKPASS", &self.askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env(PASSWORD_PIPE, password.pipe())
            .args(arguments(line, &self.known_hosts()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// `-tt`: BMCs have their console only for a terminal, and ours is a pipe.
fn arguments(line: &Line, known_hosts: &Path) -> Vec<String> {
    // quoted because of blanks; a percent sign would begin a token
    let known_hosts = known_hosts.display().to_string().replace('%', "%%");
    let own = [
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        format!("UserKnownHostsFile=\"{known_hosts}\""),
        format!("Port={}", line.port),
    ];
    let known_as = line.known_as.iter().map(|name| format!("HostKeyAlias={name}"));
    let options = OPTIONS
        .iter()
        .map(|option| (*option).to_owned())
        .chain(own)
        .chain(known_as);
    let mut arguments: Vec<String> = ["-F", "none", "-tt"].map(str::to_owned).to_vec();
    arguments.extend(options.flat_map(|option| ["-o".to_owned(), option]));
    // behind `--` nothing is an option, whatever a BMC's name is
    arguments.extend([
        "-l".to_owned(),
        line.login.user.clone(),
        "--".to_owned(),
        line.host.clone(),
    ]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            host: "10.1.0.7".into(),
            known_as: None,
            port: 2200,
            login: Login {
                user: "root".into(),
                password: Password::new("c4n4ry"),
            },
        }
    }

    #[test]
    fn neither_arguments_nor_environment_have_the_password() {
        let dir = tempfile::tempdir().unwrap();
        let program = SshProgram::new("ssh", dir.path()).unwrap();
        let handed = program.hand(&line().login.password).unwrap();
        let command = program.command(&line(), &handed);
        let shown = format!("{command:?} {program:?} {:?}", line());
        assert!(!shown.contains("c4n4ry"), "{shown}");
        let command = command.as_std();
        let environment: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let value = |wanted: &str| {
            environment
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| *value)
        };
        assert_eq!(value("SSH_ASKPASS_REQUIRE"), Some("force".as_ref()));
        assert_eq!(value(PASSWORD_PIPE), Some(handed.pipe().as_os_str()));
        assert_eq!(value("SSH_AUTH_SOCK"), None, "nobody's agent is asked");
    }

    #[test]
    fn the_first_key_is_kept_and_another_one_refused() {
        let arguments = arguments(&line(), Path::new("/var/lib/cha mois/50%"));
        for option in [
            "StrictHostKeyChecking=accept-new",
            "UserKnownHostsFile=\"/var/lib/cha mois/50%%\"",
            "GlobalKnownHostsFile=/dev/null",
            "Port=2200",
        ] {
            let place = arguments.iter().position(|argument| argument == option);
            let place = place.unwrap_or_else(|| panic!("{option}: {arguments:?}"));
            assert_eq!(arguments[place - 1], "-o");
        }
    }

    /// A name may lead elsewhere tomorrow; the BMC of that name still has its key.
    #[test]
    fn the_key_of_a_bmc_with_a_name_is_kept_by_its_name() {
        let mut line = line();
        let alias = |line: &Line| {
            let arguments = arguments(line, Path::new("/k"));
            let found = arguments
                .iter()
                .find(|argument| argument.starts_with("HostKeyAlias="));
            found.cloned()
        };
        assert_eq!(alias(&line), None);
        line.known_as = Some("bmc-7:2200".into());
        assert_eq!(alias(&line).as_deref(), Some("HostKeyAlias=bmc-7:2200"));
    }

    /// A name that begins with a dash is a name, and so is a user's.
    #[test]
    fn nothing_that_a_bmc_is_called_becomes_an_option() {
        let mut line = line();
        line.host = "-oProxyCommand=id".into();
        line.login.user = "-oProxyCommand=id".into();
        let arguments = arguments(&line, Path::new("/k"));
        let end = &arguments[arguments.len() - 4..];
        assert_eq!(end, ["-l", "-oProxyCommand=id", "--", "-oProxyCommand=id"]);
    }
}
