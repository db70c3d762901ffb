//! The provider: installed once, started by each test on a port of its own.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::site::Site;

/// What the provider is made of.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "provider.mjs"];
/// As `provider.mjs` has it; characters that a header must not hold as they are.
const SECRET: &str = "s3cr:t of+chamois";

/// A provider that runs, or that a test has stopped.
pub(crate) struct Idp {
    folder: PathBuf,
    port: u16,
    redirect_uris: Vec<String>,
    child: Option<Child>,
}

impl Idp {
    /// For browsers that come back to any member of the site. `None` where there is no provider to be had, which is told.
    pub(crate) fn start(test: &str, site: &Site) -> Option<Idp> {
        let folder = installed(test)?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ids = site.ids();
        let mut idp = Idp {
            folder,
            port: free.local_addr().unwrap().port(),
            redirect_uris: ids
                .into_iter()
                .map(|id| format!("https://{}:8443/oidc/callback", site.ip(id)))
                .collect(),
            child: None,
        };
        drop(free);
        idp.run();
        Some(idp)
    }

    pub(crate) fn run(&mut self) {
        let options = json!({ "port": self.port, "redirectUris": self.redirect_uris });
        let child = Command::new("node")
            .args(["provider.mjs", &options.to_string()])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(self.address()).is_err() {
            assert!(Instant::now() < deadline, "the provider does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port)
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Makes it known to the cluster, by the command that administrators use.
    pub(crate) fn put(&self, site: &Site, more: &[&str]) {
        let secret = site.single.dir.path().join("client-secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let issuer = self.issuer();
        let mut args = vec![
            "oidc",
            "put",
            "site",
            "--issuer",
            &issuer,
            "--client-id",
            "chamois",
        ];
        args.extend(["--secret-file", secret.to_str().unwrap(), "--logins"]);
        if !more.contains(&"--user-claim") {
            args.extend(["--user-claim", "preferred_username"]);
        }
        args.extend(more);
        let (code, out, err) = site.single.ask(&args);
        assert!(code == 0 && out.contains(&issuer), "{out}{err}");
        let listed = site.single.ask(&["oidc", "list", "-o", "json"]).1;
        assert!(
            listed.contains(&issuer) && !listed.contains("ciphertext\": \""),
            "{listed}"
        );
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder that the provider is installed in. All tests of this process share it; that it cannot be had is told once for each.
fn installed(test: &str) -> Option<PathBuf> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match INSTALLED.get_or_init(install) {
        Ok(folder) => Some(folder.clone()),
        Err(problem) => {
            let wanted = std::env::var("CHAMOIS_E2E").is_ok_and(|value| value == "1");
            assert!(!wanted, "{problem}");
            let text = format!("\n*** NOT RUN: {test} ({problem}) ***\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
            None
        }
    }
}

fn install() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("login-provider");
    std::fs::create_dir_all(&folder).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/login");
    for file in FILES {
        std::fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    // scripts of packages are none of our business
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output()
        .map_err(|error| format!("npm is needed for the provider: {error}"))?;
    match npm.status.success() {
        true => Ok(folder),
        false => {
            let said = String::from_utf8_lossy(&npm.stderr).into_owned();
            let last = said.lines().rfind(|line| !line.trim().is_empty());
            Err(format!(
                "npm could not fetch the provider: {}",
                last.unwrap_or_default()
            ))
        }
    }
}
