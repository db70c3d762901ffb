//! Rules about the protos themselves: what they must say, and what they must go on saying.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod documented;
mod pages;
mod promises;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// Where the protos are.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of ours as it is now, with its comments.
fn files() -> impl Iterator<Item = &'static FileDescriptorProto> {
    static COMPILED: OnceLock<FileDescriptorSet> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| {
        let mut compiler = protox::Compiler::new([root().to_path_buf(), root().join("third_party")]).unwrap();
        compiler.include_imports(true).include_source_info(true);
        compiler.open_files(below(&root().join("chamois"))).unwrap();
        compiler.file_descriptor_set()
    });
    compiled.file.iter().filter(|file| is_ours(file))
}

fn is_ours(file: &FileDescriptorProto) -> bool {
    file.package().starts_with("chamois.")
}

/// The `.proto` files of a folder and of those in it, sorted.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Rules that find nothing because there is nothing to be looked at would pass, too.
#[test]
fn the_protos_are_found() {
    assert!(files().count() > 80);
    assert!(files().all(|file| file.source_code_info.is_some()));
}
