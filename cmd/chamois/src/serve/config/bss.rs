//! `[bss]`: boot scripts.

use std::path::PathBuf;

use serde::Deserialize;

/// `[bss]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BssConfig {
    /// Seconds that a node sleeps before it asks for its script again. 0: 1, 2, 4 … 10 by number of
    /// tries; 30: the text that OpenCHAMI's BSS sends. At most 3600.
    pub retry_delay_s: u32,
    /// Credentials for images at `s3://`; without them such images are refused. The same on all members.
    pub s3: Option<S3Config>,
}

/// `[bss.s3]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct S3Config {
    /// Where the server is that nodes fetch images from, e.g. `https://s3.example:9000`.
    pub endpoint: String,
    /// The server's region; what Ceph and MinIO take is `us-east-1`.
    #[serde(default = "default_region")]
    pub region: String,
    /// Who signs.
    pub access_key: String,
    /// File with the secret of the access key and nothing else; only its owner may read it.
    pub secret_file: PathBuf,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}
