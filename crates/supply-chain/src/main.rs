//! Writes the papers that go into packages: `supply-chain FOLDER [TARGET]`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use supply_chain::cargo::TARGET;
use supply_chain::sbom::Build;
use supply_chain::{Error, papers};

const USAGE: &str = "\
supply-chain FOLDER [TARGET]: writes chamois.cdx.json (CycloneDX 1.5) and THIRD-PARTY.txt (licence texts) of the
executable chamois into FOLDER; TARGET is what it is built for, x86_64-unknown-linux-gnu unless given.
Example: cargo run --package supply-chain -- target/papers aarch64-unknown-linux-gnu";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let written = match arguments.as_slice() {
        [folder] if !folder.starts_with('-') => run(Path::new(folder), TARGET),
        [folder, target] if !folder.starts_with('-') => run(Path::new(folder), target),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match written {
        Ok(paths) => {
            for path in paths {
                println!("{}", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            eprintln!("{error}{}", cause.unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path, target: &str) -> Result<Vec<PathBuf>, Error> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    papers::write(&Build::look(&workspace, target)?, folder)
}
