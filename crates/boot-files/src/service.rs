//! `BootFileService`: the catalogue as administrators see and change it.

use std::collections::BTreeSet;

use model::Sha256;
use proto::boot_file::v1::boot_file_command::{self, Change};
use proto::boot_file::v1::boot_file_service_server;
use proto::boot_file::v1::{
    BootFile, BootFileCommand, DeleteBootFileRequest, DeleteBootFileResponse, ListBootFilesRequest,
    ListBootFilesResponse, ListedBootFile, PutBootFileRequest,
};
use proto::raft::v1::entry::Command;
use raft::Committed;
use rpc::{Author, Error};
use tonic::{Request, Response, Status, Streaming};

use crate::upload::{self, Announced};
use crate::{BootFiles, holders, limits};

/// The service of the API port.
#[derive(Clone)]
pub struct Service(pub(crate) BootFiles);

impl BootFiles {
    pub(crate) async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        let command = Command::BootFile(BootFileCommand { change: Some(change) });
        self.0.store.propose_by(author, command).await
    }
}

#[tonic::async_trait]
impl boot_file_service_server::BootFileService for Service {
    #[tracing::instrument(name = "boot_files.list", skip_all)]
    async fn list_boot_files(
        &self,
        _request: Request<ListBootFilesRequest>,
    ) -> Result<Response<ListBootFilesResponse>, Status> {
        let files = &self.0.0;
        let (state, own) = (files.store.state(), files.own_id);
        let contents = |file: &BootFile| file.sha256.parse::<Sha256>().ok();
        let named = self.0.named();
        let all: BTreeSet<Sha256> = named.keys().copied().collect();
        let mut holding = holders::ask(&(files.members)().others, &all).await;
        for sha256 in files.contents.among(all.into_iter(), &named) {
            let ids = holding.entry(sha256).or_default();
            ids.push(own);
            ids.sort_unstable();
        }
        let listed = state.boot_files.iter().map(|file| ListedBootFile {
            file: Some(file.as_ref().clone()),
            members: contents(file)
                .and_then(|sha256| holding.get(&sha256).cloned())
                .unwrap_or_default(),
        });
        Ok(Response::new(ListBootFilesResponse {
            files: listed.collect(),
        }))
    }

    #[tracing::instrument(name = "boot_files.put", skip_all, fields(name))]
    async fn put_boot_file(
        &self,
        request: Request<Streaming<PutBootFileRequest>>,
    ) -> Result<Response<BootFile>, Status> {
        let author = rpc::author(&request);
        let files = &self.0.0;
        let _slot = files.uploads.try_acquire().map_err(|_| Error::Overloaded {
            what: "uploads of boot files".to_owned(),
            retry_after: limits::UPLOAD_RETRY_AFTER,
        })?;
        let mut parts = request.into_inner();
        let announced = Announced::parse(upload::next_message(&mut parts).await?)?;
        tracing::Span::current().record("name", announced.name.as_str());
        announced.check_may_become(&files.store.state())?;
        let received = match announced.already_in(files.contents.clone()).await? {
            Some(received) => received,
            None => announced.receive(files.contents.clone(), parts).await?,
        };
        tracing::info!(name = %announced.name, sha256 = %received.sha256, size = received.size, "received");
        upload::replicate(received, (files.members)()).await?;
        let name = announced.name.to_string();
        let put = boot_file_command::PutBootFile {
            file: Some(BootFile {
                name: name.clone(),
                size: received.size,
                sha256: received.sha256.to_string(),
                meta: None,
            }),
            if_revision: announced.if_revision,
        };
        self.0.propose(&author, Change::PutBootFile(put)).await?;
        let stored = files.store.state().boot_files.get(&name);
        let stored = stored.ok_or_else(|| Error::NotFound {
            kind: "boot file".to_owned(),
            id: format!("{name}; somebody has deleted it since"),
        })?;
        Ok(Response::new(stored.as_ref().clone()))
    }

    #[tracing::instrument(name = "boot_files.delete", skip_all, fields(name = request.get_ref().name))]
    async fn delete_boot_file(
        &self,
        request: Request<DeleteBootFileRequest>,
    ) -> Result<Response<DeleteBootFileResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteBootFileRequest { name, if_revision } = request.into_inner();
        let delete = boot_file_command::DeleteBootFile { name, if_revision };
        let committed = self.0.propose(&author, Change::DeleteBootFile(delete)).await?;
        Ok(Response::new(DeleteBootFileResponse {
            revision: committed.revision,
        }))
    }
}
