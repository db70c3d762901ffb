//! Compiles every `.proto` of this folder; no protoc is needed.

use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let mut files = Vec::new();
    collect(&root.join("chamois"), &mut files)?;
    files.sort();
    println!("cargo:rerun-if-changed=chamois");
    println!("cargo:rerun-if-changed=third_party");

    let mut compiler = protox::Compiler::new([root.clone(), root.join("third_party")])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(&files)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Both carry the options, which prost's own types would drop.
    std::fs::write(out.join("documented.bin"), compiler.encode_file_descriptor_set())?;
    let documented = compiler.file_descriptor_set();
    compiler.include_source_info(false);
    std::fs::write(out.join("descriptor.bin"), compiler.encode_file_descriptor_set())?;
    // What may carry a password, a secret or a token has a `Debug` of its own, in src/redacted.rs.
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".chamois.raft.v1.LogEntry")
        .bytes(".chamois.raft.v1.SnapshotChunk")
        .bytes(".chamois.boot_file.v1.PutBootFileRequest")
        .bytes(".chamois.boot_file.v1.FetchContentResponse")
        .skip_debug([
            ".chamois.smd.v1.RedfishEndpointPayload",
            ".chamois.smd.v1.PatchRedfishEndpointRequest",
            ".chamois.cloud_init.v1.Group",
            ".chamois.cloud_init.v1.GroupFile",
            ".chamois.cloud_init.v1.InstanceInfo",
            ".chamois.cloud_init.v1.NodeDataRequest",
            ".chamois.cloud_init.v1.GroupDataRequest",
            ".chamois.auth.v1.TokenRequest",
            ".chamois.auth.v1.IntrospectRequest",
            ".chamois.auth.v1.RevokeRequest",
            ".chamois.auth.v1.CreateApiTokenResponse",
            ".chamois.auth.v1.ApiToken",
            ".chamois.auth.v1.LoginSession",
            ".chamois.auth.v1.CallbackRequest",
            ".chamois.auth.v1.PutOidcProviderRequest",
            ".chamois.configurator.v1.GeneratedFile",
            ".chamois.discovery.v1.PutBmcCredentialRequest",
            ".chamois.cluster.v1.JoinResponse",
            ".chamois.cluster.v1.RotateKekRequest",
            ".chamois.cluster.v1.KeepKekRequest",
            ".chamois.cluster.v1.FetchKekResponse",
        ])
        .compile_well_known_types(false)
        .compile_fds(documented)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
