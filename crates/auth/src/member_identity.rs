//! Loads what `init` wrote for one member, and checks that the parts belong together before anything is
//! served with them.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rpc::tls::{Material, PinnedKeys, SpiffeId, crypto_provider};
use rpc::token::{self, Verifier};
use rustls::sign::CertifiedKey;

use crate::cluster_file::{ClusterFile, ClusterMember};
use crate::join_token::JoinToken;
use crate::kek_source::KekSource;
use crate::sealing::Sealer;

/// No file of an identity is larger, bytes.
const FILE_LENGTH_MAX: u64 = 1 << 20;
/// Others may read: a private key like this is not private.
const WORLD_READABLE: u32 = 0o004;
/// What to do when parts do not fit.
pub(crate) const COPY_AGAIN: &str =
    "copy this member's folder again from where `chamois init --static` wrote it, or join anew";

/// A member's identity, checked; what `chamois serve` starts from.
#[derive(Clone, Debug)]
pub struct MemberIdentity {
    /// The cluster's name.
    pub cluster: String,
    /// This member's id.
    pub id: u64,
    /// All members that were known when the identity was made, this one included.
    pub members: Vec<ClusterMember>,
    /// The member joined a cluster that there was: it never founds one.
    pub joined: bool,
    /// The CA's key, where `init` has left it to the first entry of a new cluster.
    pub authority: Option<AuthorityKey>,
    /// The token that `init` printed for the next members.
    pub join_token: Option<JoinToken>,
    /// Certificate, key and CA for TLS.
    pub material: Material,
    /// The CA's certificate, PEM.
    pub ca_pem: String,
    /// The key that checks tokens, PEM.
    pub token_pem: String,
    /// The members' public keys.
    pub pins: PinnedKeys,
    /// Seals and opens the cluster's secrets.
    pub sealer: Sealer,
    /// Checks bearer tokens.
    pub tokens: Verifier,
}

/// The key that signs certificates. `{:?}` does not show it.
#[derive(Clone)]
pub struct AuthorityKey {
    /// PKCS#8 PEM.
    pub ca_key: String,
}

impl std::fmt::Debug for AuthorityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthorityKey")
    }
}

/// Why an identity cannot be used: the file, what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}; {remedy}", .file.display())]
pub struct LoadError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
    /// The cause, if there is one below.
    pub source: Option<io::Error>,
}

impl LoadError {
    /// Whether the file is not there.
    pub(crate) fn is_missing(&self) -> bool {
        let source = self.source.as_ref();
        source.is_some_and(|source| source.kind() == io::ErrorKind::NotFound)
    }
}

impl MemberIdentity {
    /// Loads the identity in folder `dir` (`identity-dir` of the configuration).
    ///
    /// # Errors
    /// If a file is missing or malformed, a private key is readable by everyone, or key, certificate,
    /// member id and cluster do not agree.
    pub fn load(dir: &Path) -> Result<Self, LoadError> {
        Self::load_with(dir, &KekSource::File)
    }

    /// As [`MemberIdentity::load`], with the keys that unseal secrets from elsewhere than the folder.
    ///
    /// # Errors
    /// As `load`, and what the source says.
    pub fn load_with(dir: &Path, keks: &KekSource) -> Result<Self, LoadError> {
        let files = Files { dir };
        let [ca, certificate, key] = [
            files.read("ca.pem")?,
            files.read("member.pem")?,
            files.read_private("member.key")?,
        ];
        let sealer = keks.read(dir)?;
        let material = Material::from_pem(&ca, &certificate, &key)
            .map_err(|error| files.wrong("member.pem", &error, COPY_AGAIN))?;
        CertifiedKey::from_der(
            material.chain.clone(),
            material.key.clone_key(),
            &crypto_provider(),
        )
        .map_err(|_| files.wrong("member.key", "not the key of member.pem", COPY_AGAIN))?;
        let listed = files.cluster()?;
        let pins = listed
            .members
            .iter()
            .map(|member| (member.id, member.public_key.clone()));
        let pins = PinnedKeys::new(&listed.cluster, pins);
        let id = files.own_id(&material, &listed, &pins)?;
        let (issuer, audience) = (token::issuer(&listed.cluster), token::audience(&listed.cluster));
        let token_pem = files.read("token.pem")?;
        let tokens = Verifier::new(&token_pem, &issuer, &audience)
            .map_err(|error| files.wrong("token.pem", &error, COPY_AGAIN))?;
        let authority = files.optional("ca.key")?.map(|ca_key| AuthorityKey { ca_key });
        // signs nothing here, but must be as private as the others
        files.optional("token.key")?;
        let join_token = files.optional("join.token")?.map(|text| {
            text.parse()
                .map_err(|error| files.wrong("join.token", &error, "remove the file"))
        });
        let ClusterFile {
            cluster,
            joined,
            members,
        } = listed;
        Ok(Self {
            cluster,
            id,
            members,
            joined,
            authority,
            join_token: join_token.transpose()?,
            material,
            ca_pem: String::from_utf8_lossy(&ca).into_owned(),
            token_pem: String::from_utf8_lossy(&token_pem).into_owned(),
            pins,
            sealer,
            tokens,
        })
    }

    /// The member with this id.
    pub fn member(&self, id: u64) -> Option<&ClusterMember> {
        self.members.iter().find(|member| member.id == id)
    }
}

/// The folder that is being loaded.
pub(crate) struct Files<'a> {
    pub(crate) dir: &'a Path,
}

impl Files<'_> {
    pub(crate) fn wrong(&self, name: &str, problem: &(impl ToString + ?Sized), remedy: &str) -> LoadError {
        let (problem, remedy) = (problem.to_string().trim_end().to_owned(), remedy.to_owned());
        LoadError {
            file: self.dir.join(name),
            problem,
            remedy,
            source: None,
        }
    }

    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, LoadError> {
        let unreadable = |source: io::Error| {
            let remedy = match source.kind() {
                io::ErrorKind::NotFound => {
                    "set identity-dir to the folder that `chamois init` or `chamois join` wrote for this member"
                }
                _ => "let the user that runs `chamois serve` read it",
            };
            LoadError {
                source: Some(source),
                ..self.wrong(name, "could not be read", remedy)
            }
        };
        let file = std::fs::File::open(self.dir.join(name)).map_err(unreadable)?;
        let mut content = Vec::new();
        file.take(FILE_LENGTH_MAX + 1)
            .read_to_end(&mut content)
            .map_err(unreadable)?;
        if content.len() as u64 > FILE_LENGTH_MAX {
            return Err(self.wrong(name, "larger than 1 MiB", COPY_AGAIN));
        }
        Ok(content)
    }

    pub(crate) fn read_private(&self, name: &str) -> Result<Vec<u8>, LoadError> {
        let content = self.read(name)?;
        let path = self.dir.join(name);
        if path
            .metadata()
            .is_ok_and(|file| file.permissions().mode() & WORLD_READABLE != 0)
        {
            let remedy = format!("run: chmod 600 {}", path.display());
            return Err(self.wrong(name, "a private key that every user may read", &remedy));
        }
        Ok(content)
    }

    /// A private file that need not be there.
    fn optional(&self, name: &str) -> Result<Option<String>, LoadError> {
        if !self.dir.join(name).exists() {
            return Ok(None);
        }
        let text = String::from_utf8(self.read_private(name)?);
        text.map(Some)
            .map_err(|_| self.wrong(name, "not UTF-8 text", COPY_AGAIN))
    }

    pub(crate) fn cluster(&self) -> Result<ClusterFile, LoadError> {
        let name = "cluster.toml";
        let text = String::from_utf8(self.read(name)?)
            .map_err(|_| self.wrong(name, "not UTF-8 text", COPY_AGAIN))?;
        ClusterFile::parse(&text).map_err(|problem| self.wrong(name, &problem, COPY_AGAIN))
    }

    /// The id that the certificate names, if `cluster.toml` pins this key for it.
    fn own_id(&self, material: &Material, listed: &ClusterFile, pins: &PinnedKeys) -> Result<u64, LoadError> {
        let own = material
            .chain
            .first()
            .expect("Material has at least one certificate");
        pins.member(own).map_err(|error| {
            let problem = match SpiffeId::of(own) {
                Ok(name) => format!(
                    "{name} does not fit cluster.toml of cluster {}: {error}",
                    listed.cluster
                ),
                Err(_) => error.to_string(),
            };
            self.wrong("member.pem", &problem, COPY_AGAIN)
        })
    }
}
