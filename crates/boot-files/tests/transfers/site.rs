//! Members of one process: their folders, the catalogue that they share, and calls between them that can be broken.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use boot_files::{BootFiles, Members, Options, Peer, PeerChannel, Roster};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use proto::boot_file::v1::boot_file_service_client::BootFileServiceClient;
use proto::boot_file::v1::put_boot_file_request::Part;
use proto::boot_file::v1::{BootFile, ListBootFilesRequest, PutBootFileRequest};
use raft::Store;
use rpc::{Caller, Identity};
use tonic::Status;
use tonic::body::Body;
use tonic::service::{Routes, RoutesBuilder};
use tower::ServiceExt as _;

/// What goes wrong with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Answers nobody.
    Down,
    /// Every transfer from it breaks after so many bytes.
    CutAfter(u64),
    /// Sends no more than so many bytes of an answer and keeps the connection.
    HangsAfter(u64),
    /// Sends other bytes than it has.
    Lies,
}

/// One member.
pub struct Member {
    pub files: BootFiles,
    pub dir: Arc<tempfile::TempDir>,
    id: u64,
    /// Calls that others have made to it.
    pub asked: AtomicU64,
    fault: Mutex<Fault>,
    /// Bytes that it has sent to others.
    pub sent: AtomicU64,
}

type Table = Arc<Mutex<BTreeMap<u64, Arc<Member>>>>;

/// Members 1 to `n`.
pub struct Site {
    pub store: Store,
    members: Table,
}

impl Site {
    pub fn new(members: u64) -> Self {
        Self::with_free_bytes(members, |_| 0)
    }

    /// `free_bytes_min` of each member: a large one makes its disk a full one.
    pub fn with_free_bytes(members: u64, free_bytes_min: impl Fn(u64) -> u64) -> Self {
        Self::with_options(members, |id| Options::leaving(free_bytes_min(id)))
    }

    /// What each member is told of itself.
    pub fn with_options(members: u64, options: impl Fn(u64) -> Options) -> Self {
        let site = Self {
            store: Store::in_memory(),
            members: Table::default(),
        };
        for id in 1..=members {
            let dir = Arc::new(tempfile::tempdir().unwrap());
            site.start(id, members, dir, options(id));
        }
        site
    }

    fn start(&self, id: u64, members: u64, dir: Arc<tempfile::TempDir>, options: Options) {
        let others = roster(id, members, &self.members);
        let files = BootFiles::open(dir.path(), id, self.store.clone(), others, options).unwrap();
        let member = Member {
            files,
            dir,
            id,
            asked: AtomicU64::new(0),
            fault: Mutex::new(Fault::None),
            sent: AtomicU64::new(0),
        };
        self.members.lock().unwrap().insert(id, Arc::new(member));
    }

    /// The member begins anew with what is on its disk.
    pub fn restart(&self, id: u64) {
        let members = self.members.lock().unwrap().len() as u64;
        self.start(id, members, self.member(id).dir.clone(), Options::leaving(0));
    }

    pub fn member(&self, id: u64) -> Arc<Member> {
        Arc::clone(&self.members.lock().unwrap()[&id])
    }

    /// Waits for something that another task is about to do.
    pub async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let waiting = async {
            while !condition() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let at_most = std::time::Duration::from_secs(30);
        assert!(tokio::time::timeout(at_most, waiting).await.is_ok(), "{what}");
    }
}

impl Member {
    pub fn will(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }

    /// Names in its folder of contents, with what they hold.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let folder: PathBuf = self.dir.path().join(boot_files::CONTENT_FOLDER);
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    std::fs::read(entry.path()).unwrap(),
                )
            })
            .collect()
    }

    /// Where a content is on its disk.
    pub fn path(&self, stored: &BootFile) -> PathBuf {
        self.dir
            .path()
            .join(boot_files::CONTENT_FOLDER)
            .join(&stored.sha256)
    }

    /// A channel of an administrator.
    pub fn administrator(&self) -> PeerChannel {
        let mut routes = RoutesBuilder::default();
        self.files.add_services(&mut routes);
        let identity = Identity::User { name: "admin".into() };
        channel(routes.routes(), identity)
    }

    /// Uploads `content`, in two messages, as what `announced` says.
    pub async fn put(&self, announced: BootFile, content: &[u8]) -> Result<BootFile, Status> {
        let (first, rest) = content.split_at(content.len() / 2);
        let data = [first, rest].map(|part| Part::Data(Bytes::copy_from_slice(part)));
        self.put_parts([Part::File(announced)].into_iter().chain(data).collect(), None)
            .await
    }

    pub async fn put_parts(&self, parts: Vec<Part>, if_revision: Option<u64>) -> Result<BootFile, Status> {
        let messages = parts.into_iter().map(move |part| PutBootFileRequest {
            part: Some(part),
            if_revision,
        });
        let messages: Vec<_> = messages.collect();
        let mut client = BootFileServiceClient::new(self.administrator());
        let stored = client.put_boot_file(futures::stream::iter(messages)).await?;
        Ok(stored.into_inner())
    }

    /// Names with the members that have them.
    pub async fn list(&self) -> Vec<(String, Vec<u64>)> {
        let mut client = BootFileServiceClient::new(self.administrator());
        let answer = client.list_boot_files(ListBootFilesRequest {}).await.unwrap();
        let files = answer.into_inner().files.into_iter();
        files
            .map(|listed| (listed.file.unwrap().name, listed.members))
            .collect()
    }
}

/// A file of that name about which nothing more is said.
pub fn named(name: &str) -> BootFile {
    BootFile {
        name: name.into(),
        ..BootFile::default()
    }
}

/// Bytes that differ along the file, so that a wrong offset shows.
pub fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n / 3 % 251) as u8).collect()
}

fn roster(own: u64, members: u64, table: &Table) -> Members {
    let table = Arc::clone(table);
    Arc::new(move || Roster {
        own_is_voter: true,
        others: (1..=members)
            .filter(|id| *id != own)
            .map(|id| Peer {
                id,
                is_voter: true,
                channel: to_peer(own, id, &table),
            })
            .collect(),
    })
}

/// Calls of member `from` to member `to`, with the faults of the latter.
fn to_peer(from: u64, to: u64, table: &Table) -> PeerChannel {
    let table = Arc::clone(table);
    PeerChannel::new(tower::service_fn(move |request: Request<Body>| {
        let member = Arc::clone(&table.lock().unwrap()[&to]);
        member.asked.fetch_add(1, Ordering::Relaxed);
        async move {
            if member.fault() == Fault::Down {
                return Err(Status::unavailable(format!("member {} is down", member.id)));
            }
            let routes = Routes::new(member.files.peer_service());
            let response = channel(routes, Identity::Member(from)).oneshot(request).await?;
            Ok::<_, Status>(response.map(|body| through(member, body)))
        }
    }))
}

/// An answer's body on its way, with what happens to it.
fn through(member: Arc<Member>, body: Body) -> Body {
    let (mut passed, mut frames, hanging) = (0, 0, member.clone());
    let body = http_body_util::BodyStream::new(body).then(move |frame| {
        let bytes = frame.as_ref().ok().and_then(|frame| frame.data_ref());
        frames += bytes.map_or(0, |bytes| bytes.len() as u64);
        let hangs = matches!(hanging.fault(), Fault::HangsAfter(bytes) if frames > bytes);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            frame
        }
    });
    Body::new(http_body_util::StreamBody::new(body).map_frame(move |frame| {
        frame.map_data(|data| {
            member.sent.fetch_add(data.len() as u64, Ordering::Relaxed);
            passed += data.len() as u64;
            match member.fault() {
                Fault::CutAfter(bytes) if passed > bytes => Bytes::from_static(&[0xff; 5]), // no gRPC message begins so
                Fault::Lies if data.len() > 100 => {
                    let mut wrong = data.to_vec();
                    wrong[50] ^= 1;
                    wrong.into()
                }
                _ => data,
            }
        })
    }))
}

fn channel(routes: Routes, identity: Identity) -> PeerChannel {
    PeerChannel::new(tower::service_fn(move |mut request: Request<Body>| {
        let mut caller = Caller::anonymous();
        caller.identity = identity.clone();
        request.extensions_mut().insert(caller);
        let answer = routes.clone().oneshot(request);
        async move {
            let response: Response<Body> = answer.await.unwrap_or_else(|never| match never {});
            Ok::<_, Status>(response)
        }
    }))
}
