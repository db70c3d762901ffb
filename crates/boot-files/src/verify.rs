//! Reading the copies of an image again, on every member: a disk may give back other bytes than it took.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use model::Sha256;
use proto::boot_file::v1::verified_copy::Result as Verdict;
use proto::boot_file::v1::{CheckContentRequest, CheckContentResponse, ImageFile, VerifiedCopy};
use tokio::time::Instant;

use crate::BootFiles;
use crate::content_changes::Checked;
use crate::error::on_disk;
use crate::members::Peer;

/// How long the members may read; the whole call has 300 s.
const VERIFY_AT_MOST: Duration = Duration::from_secs(280);

/// What became of one copy: the verdict, or why there is none.
type Answer = Result<Verdict, String>;

impl BootFiles {
    /// Has every member read its copies of `files`, one after the other; by member, then in the order given.
    pub(crate) async fn verify(&self, files: &[ImageFile]) -> Vec<VerifiedCopy> {
        let until = Instant::now() + VERIFY_AT_MOST;
        let others = (self.0.members)().others;
        let own = async {
            let mut copies = Vec::new();
            for file in files {
                copies.push(copy(self.0.own_id, file, self.read_own(file, until).await));
            }
            copies
        };
        let peers: FuturesUnordered<_> = others.iter().map(|peer| read_all(peer, files, until)).collect();
        let (own, others) = tokio::join!(own, peers.collect::<Vec<_>>());
        let mut copies: Vec<VerifiedCopy> = others.into_iter().flatten().chain(own).collect();
        copies.sort_by_key(|copy| copy.member); // stable: the files stay in order
        copies
    }

    async fn read_own(&self, file: &ImageFile, until: Instant) -> Answer {
        let sha256: Sha256 = file
            .sha256
            .parse()
            .map_err(|problem: model::InvalidValue| problem.to_string())?;
        let contents = self.0.contents.clone();
        let reading = on_disk(move || contents.check(&sha256));
        match tokio::time::timeout_at(until, reading).await {
            Ok(Ok(Checked::Right)) => Ok(Verdict::Right),
            Ok(Ok(Checked::Wrong)) => Ok(Verdict::Wrong),
            Ok(Ok(Checked::Missing)) => Ok(Verdict::Missing),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(too_late()),
        }
    }
}

async fn read_all(peer: &Peer, files: &[ImageFile], until: Instant) -> Vec<VerifiedCopy> {
    let mut copies = Vec::new();
    for file in files {
        copies.push(copy(peer.id, file, read_at(peer, file, until).await));
    }
    copies
}

async fn read_at(peer: &Peer, file: &ImageFile, until: Instant) -> Answer {
    let mut request = tonic::Request::new(CheckContentRequest {
        sha256: file.sha256.clone(),
    });
    request.set_timeout(until.saturating_duration_since(Instant::now()));
    let mut client = peer.client();
    match tokio::time::timeout_at(until, client.check_content(request)).await {
        Ok(Ok(answer)) => Ok(verdict(answer.get_ref())),
        Ok(Err(status)) => Err(status.message().to_owned()),
        Err(_) => Err(too_late()),
    }
}

fn verdict(answer: &CheckContentResponse) -> Verdict {
    match (answer.is_here, answer.was_wrong) {
        (true, _) => Verdict::Right,
        (false, true) => Verdict::Wrong,
        (false, false) => Verdict::Missing,
    }
}

fn too_late() -> String {
    format!("it was not read within {} s", VERIFY_AT_MOST.as_secs())
}

fn copy(member: u64, file: &ImageFile, answer: Answer) -> VerifiedCopy {
    let (verdict, problem) = match answer {
        Ok(verdict) => (verdict, String::new()),
        Err(problem) => (Verdict::Unknown, problem),
    };
    VerifiedCopy {
        member,
        file: file.name.clone(),
        result: verdict.into(),
        problem,
    }
}
