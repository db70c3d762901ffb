//! This member's boot files, and how the gateway and the other members get at them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use boot_files::{BootFiles, FREE_BYTES_MIN, Found, Options, Room};
use futures::future::BoxFuture;
use gateway::{AskedFile, FileSource, FoundFile, OpenedFile};
use raft::{Dial, Store};
use tonic::Status;

use super::ServeError;
use super::config::{Config, NetworkConfig, Role};

/// Opens the folder of boot files.
///
/// # Errors
/// It is missing, or this process may not read and write it.
pub(super) fn open(config: &Config, store: &Store, dial: Dial) -> Result<BootFiles, ServeError> {
    let members = boot_files::members(store.clone(), dial);
    let bytes_max = config.boot.files_bytes_max;
    let options = Options {
        room: Room {
            free_bytes_min: FREE_BYTES_MIN,
            bytes_max: (bytes_max > 0).then_some(bytes_max),
        },
        serves_boot: config
            .networks
            .iter()
            .any(|network| network.roles.contains(&Role::Boot)),
    };
    BootFiles::open(
        &config.boot.files_dir,
        config.member.id,
        store.clone(),
        members,
        options,
    )
    .map_err(|source| ServeError::Files {
        folder: config.boot.files_dir.clone(),
        source,
    })
}

/// What the gateway asks; it knows where the other members are on each network.
pub(super) struct Source {
    files: BootFiles,
    networks: Vec<NetworkConfig>,
    http_port: u16,
}

impl Source {
    pub(super) fn new(config: &Config, files: BootFiles) -> Arc<Self> {
        Arc::new(Self {
            files,
            networks: config.networks.clone(),
            http_port: config.boot.http_port,
        })
    }

    async fn answer(&self, asked: AskedFile<'_>) -> Result<FoundFile, Status> {
        let members = match self.files.find(asked.name).await? {
            Found::Here(opened) => {
                return Ok(FoundFile::Here(OpenedFile {
                    file: opened.file,
                    meta: opened.meta,
                    sha256: opened.sha256.map(|sha256| sha256.0),
                    version: opened.version,
                }));
            }
            Found::At(members) => members,
        };
        let other = match asked.is_redirected {
            // Whoever sent the node here believed that the bytes are here: two such members must not play ball.
            true => None,
            false => self.member_near(asked.local, &members),
        };
        match other {
            Some(address) => Ok(FoundFile::At(format!("http://{address}:{}", self.http_port))),
            None => Err(boot_files::elsewhere(asked.name).into()),
        }
    }

    /// The first of `members` with an address on the network that the connection is on. Its own address: the service
    /// address may be this member's.
    fn member_near(&self, local: Option<SocketAddr>, members: &[u64]) -> Option<Ipv4Addr> {
        let IpAddr::V4(local) = local?.ip().to_canonical() else {
            return None;
        };
        let here = |network: &&NetworkConfig| {
            network.member_address == local || network.service_address == Some(local)
        };
        let network = self.networks.iter().find(here)?;
        members.iter().find_map(|id| network.peers.get(id).copied())
    }
}

impl FileSource for Source {
    fn find<'a>(&'a self, asked: AskedFile<'a>) -> BoxFuture<'a, Result<FoundFile, Status>> {
        Box::pin(self.answer(asked))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A node may reach no other network than the one it is on.
    #[tokio::test]
    async fn nodes_are_sent_to_a_member_on_their_own_network() {
        let folder = tempfile::tempdir().unwrap();
        let text = include_str!("../../../../deploy/examples/member-1.toml");
        let mut config = Config::parse(text, Path::new("member-1.toml")).unwrap();
        config.boot.files_dir = folder.path().to_owned();
        let dial: Dial = Arc::new(|_, _| panic!("nobody is dialled"));
        let files = open(&config, &Store::in_memory(), dial).unwrap();
        let source = Source::new(&config, files);
        let near = |local: &str, members: &[u64]| source.member_near(Some(local.parse().unwrap()), members);
        for local in ["10.97.0.1:8081", "10.97.1.1:8081", "[::ffff:10.97.0.1]:8081"] {
            assert_eq!(near(local, &[3, 2]), Some(Ipv4Addr::new(10, 97, 1, 3)), "{local}");
        }
        assert_eq!(
            near("10.97.0.1:8081", &[9]),
            None,
            "a member that is not on the network"
        );
        assert_eq!(near("10.99.1.1:8081", &[2]), None, "a network without peers");
        assert_eq!(near("192.0.2.1:8081", &[2]), None);
        assert_eq!(source.member_near(None, &[2]), None);
    }
}
