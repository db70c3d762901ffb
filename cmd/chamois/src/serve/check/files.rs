//! Directories that must be there. Loaders are not among them: a missing one is a warning at start.

use std::path::Path;

use super::Problems;
use crate::serve::config::Config;
use crate::serve::s3_signer;
use crate::serve::site_files::SiteFiles;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    if config.data_dir.exists() {
        directory("data-dir", &config.data_dir, problems);
    } else if !config.data_dir.parent().is_some_and(Path::is_dir) {
        problems.add(
            "data-dir",
            format_args!(
                "{} and the directory above it do not exist; create it, owned by the user that runs chamois",
                config.data_dir.display()
            ),
        );
    }
    // On every member, whatever it serves: each keeps its part of what was put into the cluster.
    directory("boot.files-dir", &config.boot.files_dir, problems);
    if let Err(problem) = s3_signer::load(config.bss.s3.as_ref()) {
        problems.add("bss.s3", problem);
    }
    if let Err(wrong) = SiteFiles::load(&config.api) {
        problems.add(wrong.key, wrong.problem);
    }
}

fn directory(key: &str, path: &Path, problems: &mut Problems) {
    if let Err(error) = std::fs::read_dir(path) {
        problems.add(
            key,
            format_args!(
                "cannot open the directory {}: {error}; create it or name another",
                path.display()
            ),
        );
    }
}
