//! Our Redfish client against a Redfish service that others have written: OpenStack's `sushy-tools`, from PyPI, with its driver of
//! pretended hardware. Runs with CHAMOIS_E2E=1; needs python3-venv and PyPI.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redfish::{Address, Bmc, Connector, Limits, ResetType, Trust};

const PACKAGE: &str = "sushy-tools==2.2.0";
const HOST: &str = "127.0.24.1";
/// It imports half of Flask first.
const START_MAX: Duration = Duration::from_secs(60);
/// Its hardware takes some seconds to go on.
const SWITCH_MAX: Duration = Duration::from_secs(60);

/// The running emulator; ends with this.
struct Emulator {
    process: Child,
    address: Address,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn must(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Installs the emulator into `dir` and starts it.
fn start(dir: &Path) -> Emulator {
    let venv = dir.join("venv");
    must(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    must(Command::new(venv.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        PACKAGE,
    ]));
    let config = dir.join("config.py");
    std::fs::write(&config, "SUSHY_EMULATOR_FEATURE_SET = 'full'\n").unwrap();
    let port = TcpListener::bind((HOST, 0)).unwrap().local_addr().unwrap().port();
    let process = Command::new(venv.join("bin/sushy-emulator"))
        .arg("--config")
        .arg(&config)
        .args(["--fake", "-i", HOST, "-p", &port.to_string()])
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Emulator {
        process,
        address: format!("http://{HOST}:{port}").parse().unwrap(),
    }
}

/// Opens it as soon as it listens.
async fn open(emulator: &mut Emulator, connector: &Connector) -> Bmc {
    let deadline = Instant::now() + START_MAX;
    loop {
        let opened = connector
            .open(&emulator.address, None, Trust::InsecureAny, &Limits::default())
            .await;
        match opened {
            Ok(bmc) => return bmc,
            Err(error) => {
                let ended = emulator.process.try_wait().unwrap();
                assert!(ended.is_none(), "the emulator ended: {ended:?}");
                assert!(Instant::now() < deadline, "{error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn becomes(bmc: &Bmc, system: &str, state: &str) {
    let deadline = Instant::now() + SWITCH_MAX;
    loop {
        let power = redfish::system_power(bmc, system).await.unwrap();
        if power.state == state {
            return;
        }
        assert!(Instant::now() < deadline, "{:?} and not {state}", power.state);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// It has no sessions, no accounts and no processors, says so with 501, and takes seconds to switch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sushy_tools_are_read_and_switched() {
    if !chaos_tests::privileged::is_wanted("sushy-tools of PyPI") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut emulator = start(dir.path());
    let bmc = open(&mut emulator, &Connector::system(8)).await;
    let inventory = redfish::read_inventory(&bmc).await.unwrap();
    assert_eq!(inventory.root.redfish_version, "1.5.0");
    assert_eq!(
        (inventory.systems.len(), inventory.managers.len()),
        (1, 1),
        "{:?}",
        inventory.problems
    );
    let system = &inventory.systems[0];
    assert_eq!(system.manufacturer, "Sushy Emulator");
    assert_eq!(system.uuid, system.id);
    let power = redfish::system_power(&bmc, &system.uri).await.unwrap();
    for needed in ["On", "ForceOff"] {
        assert!(
            power.reset_types.iter().any(|offered| offered == needed),
            "{power:?}"
        );
    }
    for (reset, state) in [
        (ResetType::ForceOff, "Off"),
        (ResetType::On, "On"),
        (ResetType::ForceOff, "Off"),
    ] {
        redfish::reset(&bmc, &power.reset_target, reset).await.unwrap();
        becomes(&bmc, &system.uri, state).await;
    }
    bmc.close().await;
}
