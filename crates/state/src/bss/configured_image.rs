//! The image that a boot configuration names: it is there, and for the nodes that the configuration is for.

use boot_choice::image_fits;
use model::Rejection;
use proto::bss::v1::BootConfiguration;
use proto::smd::v1::component::Arch;

use crate::boot_files::BootFiles;

/// # Errors
/// `Invalid` for an image that is not there, or for another architecture.
pub(super) fn check_image_is_there(
    configuration: &BootConfiguration,
    files: &BootFiles,
) -> Result<(), Rejection> {
    let name = &configuration.image;
    if name.is_empty() {
        return Ok(());
    }
    let Some(image) = files.image(name) else {
        let problem = format!("there is no image {name}; add it first (`chamois image add`)");
        return Err(Rejection::invalid("image", problem));
    };
    if image_fits(&image, configuration.arch()) {
        return Ok(());
    }
    let problem = format!(
        "the image {name} is for {}, and the configuration for nodes of {} only; name another image, or another architecture",
        image.arch,
        word(configuration.arch())
    );
    Err(Rejection::invalid("image", problem))
}

/// SMD's word.
fn word(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "X86",
        Arch::Arm => "ARM",
        Arch::Other | Arch::Unknown | Arch::Unspecified => "another architecture",
    }
}
