//! Boot files: kernels and initial RAM disks, the same on every member. The catalogue is replicated by Raft, the
//! bytes go from member to member by their SHA-256. `OVERVIEW.md` beside `Cargo.toml` shows how.
#![forbid(unsafe_code)]

mod content_changes;
mod contents;
mod digests;
mod dropped;
mod error;
mod fetch;
mod find;
mod hashing;
mod holders;
mod image_status;
mod images;
mod incoming;
mod limits;
mod members;
mod peer_service;
mod service;
mod strangers;
mod sync;
mod upload;
mod verify;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use model::Sha256;
use proto::boot_file::v1::boot_file_peer_service_server::BootFilePeerServiceServer;
use proto::boot_file::v1::boot_file_service_server::BootFileServiceServer;
use proto::boot_file::v1::image_service_server::ImageServiceServer;
use raft::Store;
use rpc::Error;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tonic::service::RoutesBuilder;

pub use contents::{CONTENT_FOLDER, UNNAMED_AT_MOST};
pub use find::{Found, Opened, elsewhere};
pub use images::ImageService;
pub use limits::{FREE_BYTES_MIN, Options, Room};
pub use members::{Members, Peer, PeerChannel, Roster, members};
pub use peer_service::PeerService;
pub use service::Service;

use contents::Contents;
use dropped::Dropped;
use fetch::Fetches;
use holders::Holders;
use strangers::Strangers;

/// The boot files of one member; cheap to clone.
#[derive(Clone)]
pub struct BootFiles(Arc<Inner>);

struct Inner {
    own_id: u64,
    serves_boot: bool,
    store: Store,
    members: Members,
    contents: Contents,
    dropped: Dropped,
    holders: Holders,
    strangers: Strangers,
    fetches: Fetches,
    uploads: Semaphore,
    sends: Arc<Semaphore>,
    keeps: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    verifies: Semaphore,
    turns: Semaphore,
    runtime: Handle,
}

impl BootFiles {
    /// Opens the folder `files_dir`, where contents get a folder of their own. Transfers run on the current runtime.
    ///
    /// # Errors
    /// The folder is missing, or cannot be read and written.
    pub fn open(
        files_dir: &Path,
        own_id: u64,
        store: Store,
        members: Members,
        options: Options,
    ) -> io::Result<Self> {
        let dropped = Dropped::open(files_dir)?;
        let contents = Contents::open(files_dir, own_id, options.room)?;
        Ok(Self(Arc::new(Inner {
            own_id,
            serves_boot: options.serves_boot,
            store,
            members,
            fetches: Fetches::new(contents.clone()),
            contents,
            dropped,
            holders: Holders::default(),
            strangers: Strangers::default(),
            uploads: Semaphore::new(limits::UPLOADS_AT_ONCE_MAX),
            sends: Arc::new(Semaphore::new(limits::SENDS_AT_ONCE_MAX)),
            keeps: Arc::new(Semaphore::new(limits::KEEPS_AT_ONCE_MAX)),
            checks: Arc::new(Semaphore::new(limits::CHECKS_AT_ONCE_MAX)),
            verifies: Semaphore::new(limits::VERIFIES_AT_ONCE_MAX),
            turns: sync::turns(),
            runtime: Handle::current(),
        })))
    }

    /// Adds the services of administrators to `routes`.
    pub fn add_services(&self, routes: &mut RoutesBuilder) {
        routes.add_service(BootFileServiceServer::new(Service(self.clone())));
        routes.add_service(ImageServiceServer::new(ImageService(self.clone())));
    }

    /// The service of the peer port.
    pub fn peer_service(&self) -> BootFilePeerServiceServer<PeerService> {
        BootFilePeerServiceServer::new(PeerService::of(self))
    }

    /// Every content that the catalogue names, with its size.
    fn named(&self) -> BTreeMap<Sha256, u64> {
        let state = self.0.store.state();
        let files = state.boot_files.iter();
        files
            .filter_map(|file| Some((file.sha256.parse().ok()?, file.size)))
            .collect()
    }

    /// How long a content should be: what the catalogue says, else what was found.
    fn size_of(&self, sha256: &Sha256) -> Option<u64> {
        let named = self.named().get(sha256).copied();
        named.or_else(|| self.0.contents.size(sha256))
    }

    /// The contents that the catalogue names and are not here, with their sizes.
    fn missing(&self) -> BTreeMap<Sha256, u64> {
        let mut named = self.named();
        named.retain(|sha256, size| !self.0.contents.has(sha256, *size));
        named
    }

    /// Fetches a content from these members.
    async fn fetch_from(&self, sha256: Sha256, size: u64, ids: &[u64]) -> Result<(), Error> {
        let mut sources = (self.0.members)().others;
        sources.retain(|peer| ids.contains(&peer.id));
        self.0.fetches.fetch(sha256, size, &sources).await
    }
}
