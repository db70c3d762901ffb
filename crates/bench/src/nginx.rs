//! nginx as Debian has it: the peer of our boot files. One file, `sendfile` on, a worker for each core, nothing logged.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::process::Command;

use crate::tools::{NGINX, find};
use crate::{BenchError, Child, Meter};

/// It listens well within a second.
const START_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
/// Where the file is asked for.
pub const PATH: &str = "/file";

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    version: String,
}

impl Nginx {
    /// Starts it on `address` with `file` at [`PATH`]; configuration and log go below `dir`. Waits until it listens.
    ///
    /// # Errors
    /// `Missing` without nginx on this host; `Ended` with its log if it refuses its configuration.
    pub async fn start(address: SocketAddr, file: &Path, dir: &Path) -> Result<Nginx, BenchError> {
        let program = find(NGINX)?;
        let version = version_of(&program).await?;
        let settings = dir.join("nginx.conf");
        std::fs::write(
            &settings,
            configuration(address, file, dir, nix::unistd::geteuid().is_root()),
        )
        .map_err(BenchError::step("cannot write nginx's configuration"))?;
        let mut command = Command::new(&program);
        // before it has read its configuration it would log to /var/log
        command
            .args(["-e", "stderr", "-p"])
            .arg(dir)
            .arg("-c")
            .arg(&settings);
        let mut child = Child::start("nginx", command, dir.join("nginx.log"))?;
        listening(&mut child, address).await?;
        Ok(Nginx { child, version })
    }

    /// `nginx 1.22.1`.
    pub fn name(&self) -> &str {
        &self.version
    }

    /// A meter of all its processes: the one that was started only watches the others.
    ///
    /// # Errors
    /// `Ended` if it runs no more.
    pub fn meter(&mut self) -> Result<Meter, BenchError> {
        let own = self.child.running_pid()?;
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.map_err(BenchError::step("cannot list nginx's processes"))?;
        let workers = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        Ok(Meter::new([own].into_iter().chain(workers)))
    }

    /// Ends it.
    pub async fn stop(self) {
        self.child.stop().await;
    }
}

async fn listening(child: &mut Child, address: SocketAddr) -> Result<(), BenchError> {
    let deadline = Instant::now() + START_MAX;
    loop {
        child.check_running()?;
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(BenchError::TimedOut {
                what: format!("nginx to listen on {address}"),
                seconds: START_MAX.as_secs(),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Its workers would give up root, and with it the right to read the file.
fn configuration(address: SocketAddr, file: &Path, dir: &Path, is_root: bool) -> String {
    let user = if is_root { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path \"{}/nginx-temp\";\n", dir.display()))
        .concat();
    format!(
        "daemon off;\n{user}worker_processes auto;\npid \"{dir}/nginx.pid\";\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n{temporary}  server {{\n    listen {address};\n    \
         location = {PATH} {{ alias \"{file}\"; default_type application/octet-stream; }}\n  }}\n}}\n",
        dir = dir.display(),
        file = file.display(),
    )
}

/// `nginx version: nginx/1.22.1` on standard error.
async fn version_of(program: &Path) -> Result<String, BenchError> {
    let output = Command::new(program).arg("-v").output().await;
    let output = output.map_err(BenchError::step("cannot run nginx"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = text.trim().rsplit('/').next().unwrap_or_default();
    Ok(format!("nginx {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_has_the_file_and_writes_nowhere_else() {
        let address = SocketAddr::from(([127, 9, 0, 2], 8088));
        let text = configuration(address, Path::new("/srv/file"), Path::new("/srv/nginx"), false);
        for line in [
            "listen 127.9.0.2:8088;",
            "location = /file { alias \"/srv/file\";",
            "sendfile on;",
            "pid \"/srv/nginx/nginx.pid\";",
            "scgi_temp_path \"/srv/nginx/nginx-temp\";",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("/var/") && !text.contains("user "), "{text}");
        assert!(configuration(address, Path::new("/f"), Path::new("/d"), true).contains("user root;"));
    }
}
