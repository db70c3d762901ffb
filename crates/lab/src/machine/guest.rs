//! A guest that boots over the network: QEMU (without KVM), its serial console in a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{Firmware, MachineError, Namespace, Process, require_tool};

/// What a guest is made of.
#[derive(Clone, Debug)]
pub struct GuestConfig {
    /// How it comes to iPXE's script.
    pub firmware: Firmware,
    /// Its card's MAC address.
    pub mac: String,
    /// The tap that its card is plugged into, in the namespace it runs in.
    pub tap: String,
    /// File that its serial console is written to.
    pub console: PathBuf,
}

/// A running guest; power goes off when it is dropped.
#[derive(Debug)]
pub struct Guest {
    console: PathBuf,
    qemu: Process,
}

impl Guest {
    /// Powers the guest on. It never restarts by itself: a reset ends QEMU, and so shows.
    ///
    /// # Errors
    /// QEMU or the firmware is not installed: with the package to install.
    pub fn power_on(namespace: &Namespace, config: &GuestConfig) -> Result<Guest, MachineError> {
        require_tool("qemu-system-x86_64")?;
        fs::write(&config.console, "").map_err(MachineError::io("make the console's file"))?;
        let qemu = namespace
            .command("qemu-system-x86_64")
            .args([
                "-machine",
                "pc,accel=tcg,graphics=off",
                "-m",
                "512",
                "-display",
                "none",
            ])
            .args(["-nodefaults", "-no-reboot", "-boot", "n"])
            .args(config.firmware.arguments()?)
            .args([
                "-netdev",
                &format!("tap,id=n0,ifname={},script=no,downscript=no", config.tap),
                "-device",
            ])
            // Debian's ROM knows the modern virtio card only.
            .arg(format!(
                "virtio-net-pci,netdev=n0,mac={},disable-legacy=on,romfile={}",
                config.mac,
                config.firmware.rom()?
            ))
            .arg("-serial")
            .arg(format!("file:{}", config.console.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(MachineError::io("start qemu-system-x86_64"))?;
        Ok(Guest {
            console: config.console.clone(),
            qemu: Process::new(qemu),
        })
    }

    /// What stands on the console so far.
    #[must_use]
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned()
    }

    /// Where the console is kept.
    #[must_use]
    pub fn console_file(&self) -> &Path {
        &self.console
    }

    /// Whether the guest has powered itself off, or was reset.
    ///
    /// # Errors
    /// The system refuses to say.
    pub fn is_off(&mut self) -> Result<bool, MachineError> {
        Ok(self.qemu.ended()?.is_some())
    }
}
