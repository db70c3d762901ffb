//! `ImageService`: kernels and what boots with them, under one name.

use std::sync::Arc;

use proto::boot_file::v1::boot_file_command::{self, Change};
use proto::boot_file::v1::image_service_server;
use proto::boot_file::v1::{
    DeleteImageRequest, DeleteImageResponse, GetImageRequest, Image, ImageFile, ListImageStatusesRequest,
    ListImageStatusesResponse, ListImagesRequest, ListImagesResponse, PutImageRequest, SetImagePinnedRequest,
    VerifyImageRequest, VerifyImageResponse,
};
use rpc::{Author, Error};
use state::bounds::IMAGES_MAX;
use tonic::{Request, Response, Status};

use crate::image_status::{parts, remaining};
use crate::{BootFiles, limits};

/// The service of the API port.
#[derive(Clone)]
pub struct ImageService(pub(crate) BootFiles);

impl ImageService {
    fn stored(&self, name: &str) -> Result<Arc<Image>, Error> {
        let image = self.0.0.store.state().boot_files.image(name);
        image.ok_or_else(|| no_such_image(name))
    }

    /// The images of these names, or all.
    fn named(&self, names: &[String]) -> Result<Vec<Image>, Error> {
        if names.len() > IMAGES_MAX {
            let problem = format!("{} are asked for, at most {IMAGES_MAX} are accepted", names.len());
            return Err(rpc::invalid("name", problem));
        }
        let files = self.0.0.store.state().boot_files.clone();
        if let Some(missing) = names.iter().find(|name| files.image(name).is_none()) {
            return Err(no_such_image(missing));
        }
        let is_wanted = |image: &&Arc<Image>| names.is_empty() || names.contains(&image.name);
        let wanted = files.images().filter(is_wanted);
        Ok(wanted.map(|image| image.as_ref().clone()).collect())
    }

    /// The image that stays good when `name` goes; empty when `name` is on no member, so that nothing good goes with it.
    ///
    /// # Errors
    /// `Conflict` for the last good one.
    async fn remaining(&self, name: &str) -> Result<String, Error> {
        let statuses = self.0.statuses_of(&self.named(&[])?).await;
        if let Some(other) = remaining(name, &statuses) {
            return Ok(other.to_owned());
        }
        let own = statuses
            .iter()
            .find(|status| status.image.as_ref().is_some_and(|image| image.name == name));
        let whole = own.map_or(0, |own| own.whole_members.len());
        let silent = own.map_or(&[][..], |own| &own.silent_members);
        if let (0, Some(member)) = (whole, silent.first()) {
            let detail = format!(
                "member {member} does not answer, and may be the only one that has the image {name} whole; \
                 start it, or remove the image by force"
            );
            return Err(Error::Conflict { detail });
        }
        if whole == 0 {
            return Ok(String::new());
        }
        let detail = format!(
            "the image {name} is the last good one: {whole} members have it whole, and no other image is bootable or on as \
             many; add another first, or remove it by force"
        );
        Err(Error::Conflict { detail })
    }

    /// Changes an image and answers with what it is then.
    async fn change(&self, author: &Author, name: &str, change: Change) -> Result<Response<Image>, Status> {
        self.0.propose(author, change).await?;
        let stored = self.0.0.store.state_after(author).boot_files.image(name);
        let stored = stored.ok_or_else(|| Error::Conflict {
            detail: format!("the image {name} was removed by someone else"),
        })?;
        let stored = stored.as_ref().clone();
        Ok(Response::new(Image {
            meta: author.told_meta(stored.meta),
            ..stored
        }))
    }
}

fn no_such_image(name: &str) -> Error {
    Error::NotFound {
        kind: "image".to_owned(),
        id: name.to_owned(),
    }
}

#[tonic::async_trait]
impl image_service_server::ImageService for ImageService {
    #[tracing::instrument(level = "debug", name = "images.list", skip_all)]
    async fn list_images(
        &self,
        _request: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        let images = self.named(&[])?;
        Ok(Response::new(ListImagesResponse { images }))
    }

    #[tracing::instrument(level = "debug", name = "images.get", skip_all, fields(name = ?request.get_ref().name))]
    async fn get_image(&self, request: Request<GetImageRequest>) -> Result<Response<Image>, Status> {
        let image = self.stored(&request.get_ref().name)?;
        Ok(Response::new(image.as_ref().clone()))
    }

    #[tracing::instrument(level = "debug", name = "images.statuses", skip_all)]
    async fn list_image_statuses(
        &self,
        request: Request<ListImageStatusesRequest>,
    ) -> Result<Response<ListImageStatusesResponse>, Status> {
        let images = self.named(&request.get_ref().name)?;
        let statuses = self.0.statuses_of(&images).await;
        Ok(Response::new(ListImageStatusesResponse { statuses }))
    }

    #[tracing::instrument(name = "images.put", skip_all, fields(name = ?request.get_ref().name))]
    async fn put_image(&self, request: Request<PutImageRequest>) -> Result<Response<Image>, Status> {
        let author = rpc::author(&request);
        let asked = request.into_inner();
        let name = asked.name.clone();
        let put = boot_file_command::PutImage {
            if_revision: asked.if_revision,
            image: Some(Image {
                name: asked.name,
                kernel: asked.kernel,
                initrd: asked.initrd,
                root_fs: asked.root_fs,
                arch: asked.arch,
                params: asked.params,
                min_members: asked.min_members,
                kernel_signature: asked.kernel_signature,
                initrd_signature: asked.initrd_signature,
                ..Image::default()
            }),
        };
        self.change(&author, &name, Change::PutImage(put)).await
    }

    #[tracing::instrument(name = "images.pin", skip_all, fields(name = ?request.get_ref().name))]
    async fn set_image_pinned(
        &self,
        request: Request<SetImagePinnedRequest>,
    ) -> Result<Response<Image>, Status> {
        let author = rpc::author(&request);
        let SetImagePinnedRequest {
            name,
            pinned,
            if_revision,
        } = request.into_inner();
        let set = boot_file_command::SetImagePinned {
            name: name.clone(),
            pinned,
            if_revision,
        };
        self.change(&author, &name, Change::SetImagePinned(set)).await
    }

    #[tracing::instrument(name = "images.verify", skip_all, fields(name = ?request.get_ref().name))]
    async fn verify_image(
        &self,
        request: Request<VerifyImageRequest>,
    ) -> Result<Response<VerifyImageResponse>, Status> {
        let VerifyImageRequest { name, file } = request.get_ref();
        let image = self.stored(name)?;
        let is_wanted = |part: &&ImageFile| file.is_empty() || part.name == *file;
        let files: Vec<ImageFile> = parts(&image).filter(is_wanted).cloned().collect();
        if files.is_empty() {
            let problem = format!("the image {name} has no boot file {file}");
            return Err(rpc::invalid("file", problem).into());
        }
        let _slot = self.0.0.verifies.try_acquire().map_err(|_| Error::Overloaded {
            what: "images to read again".to_owned(),
            retry_after: limits::UPLOAD_RETRY_AFTER,
        })?;
        let copies = self.0.verify(&files).await;
        Ok(Response::new(VerifyImageResponse { copies }))
    }

    #[tracing::instrument(name = "images.delete", skip_all, fields(name = ?request.get_ref().name))]
    async fn delete_image(
        &self,
        request: Request<DeleteImageRequest>,
    ) -> Result<Response<DeleteImageResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteImageRequest {
            name,
            force,
            if_revision,
        } = request.into_inner();
        let remaining = match force {
            true => String::new(),
            false => {
                self.stored(&name)?;
                self.remaining(&name).await?
            }
        };
        let delete = boot_file_command::DeleteImage {
            name: name.clone(),
            if_revision,
            force,
            remaining,
        };
        let committed = self.0.propose(&author, Change::DeleteImage(delete)).await?;
        let gone = committed.applied.deleted.into_iter();
        Ok(Response::new(DeleteImageResponse {
            revision: committed.revision,
            deleted_files: gone.skip(1).collect(), // the first is the image
        }))
    }
}
