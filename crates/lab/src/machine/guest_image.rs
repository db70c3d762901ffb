//! Kernel and initramfs of the guests: Debian's kernel, busybox, and an init that does what cloud-init does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::MachineError;
use super::command::{require_tool, run};

const BUILD: &str = include_str!("guest-image/build-guest.sh");
const INIT: &str = include_str!("guest-image/guest-init.sh");
const UDHCPC: &str = include_str!("guest-image/guest-udhcpc.sh");

/// A folder with `vmlinuz` and `initrd`.
#[derive(Clone, Debug)]
pub struct GuestImage {
    folder: PathBuf,
}

impl GuestImage {
    /// Makes the image in `folder`, or takes the one that is there when it was made by the same scripts. The
    /// kernel comes from Debian's archive (`apt-get download`), so the first time needs a network.
    ///
    /// # Errors
    /// A tool is missing: with its package. Or the archive cannot be reached: with what `apt-get` said.
    pub fn build(folder: &Path) -> Result<GuestImage, MachineError> {
        let image = GuestImage {
            folder: folder.to_owned(),
        };
        let stamp = folder.join("recipe");
        let recipe = format!(
            "{:08x}",
            crc32fast::hash([BUILD, INIT, UDHCPC].concat().as_bytes())
        );
        if fs::read_to_string(&stamp).is_ok_and(|made| made == recipe) {
            return Ok(image);
        }
        for tool in ["busybox", "cpio", "xz"] {
            require_tool(tool)?;
        }
        let scripts = folder.join("scripts");
        fs::create_dir_all(&scripts).map_err(MachineError::io(format!("make {}", scripts.display())))?;
        for (name, text) in [
            ("build-guest.sh", BUILD),
            ("guest-init.sh", INIT),
            ("guest-udhcpc.sh", UDHCPC),
        ] {
            fs::write(scripts.join(name), text).map_err(MachineError::io(format!("write {name}")))?;
        }
        run(Command::new("bash")
            .arg(scripts.join("build-guest.sh"))
            .arg(folder))?;
        fs::write(&stamp, recipe).map_err(MachineError::io("write the image's recipe"))?;
        Ok(image)
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    /// The initramfs.
    #[must_use]
    pub fn initrd(&self) -> PathBuf {
        self.folder.join("initrd")
    }

    /// Puts both into `folder`, as `vmlinuz` and `initrd`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn copy_to(&self, folder: &Path) -> Result<(), MachineError> {
        let step = || MachineError::io(format!("copy the guest's image to {}", folder.display()));
        fs::create_dir_all(folder).map_err(step())?;
        fs::copy(self.kernel(), folder.join("vmlinuz")).map_err(step())?;
        fs::copy(self.initrd(), folder.join("initrd"))
            .map_err(step())
            .map(drop)
    }
}
