//! What is secret is taken out of a write and sealed, before anything is proposed.

use auth::{BootTokens, SealError, Sealer};
use prost::Message;
use proto::cloud_init::v1::{Group, GroupFile, InstanceInfo, PatchGroupRequest};
use proto::cluster::v1::SealedSecret;
use rpc::Error;
use state::State;
use state::bounds::CLOUD_INIT_SECRET_BYTES_MAX;
use state::cloud_init::{
    BOOT_TOKEN_KEY, check_instance_info, checked_group, group_meta_data_secret, group_secret, instance_secret,
};

/// Name of the field, for people.
const META_DATA: &str = "meta-data";

/// Seals, and cannot open.
#[derive(Clone, Debug)]
pub(crate) struct Sealing(BootTokens);

/// What goes into the log beside the object, which holds nothing secret any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// A group's file, a node's meta-data.
    pub(crate) sealed: Option<SealedSecret>,
    /// A group's.
    pub(crate) sealed_meta_data: Option<SealedSecret>,
    pub(crate) token_key: Option<SealedSecret>,
}

impl Sealing {
    pub(crate) fn new(sealer: &Sealer) -> Sealing {
        Sealing(BootTokens::new(sealer.seal_only()))
    }

    /// Takes file and meta-data out of a secret group; each is sealed by itself, so that a write of one keeps the other.
    ///
    /// # Errors
    /// `Invalid` for what could not be served: nobody could check it later.
    pub(crate) fn take_group(&self, state: &State, group: &mut Group) -> Result<Parts, Error> {
        // shown by the state, never given
        group.sealed.clear();
        if !group.secret {
            return Ok(Parts::default());
        }
        let in_the_clear = Group {
            secret: false,
            ..group.clone()
        };
        let checked = checked_group(&in_the_clear)?;
        *group = without_contents(group);
        let file = Group {
            file: checked.file,
            ..Group::default()
        };
        let meta_data = Group {
            meta_data: checked.meta_data.filter(|data| !data.fields.is_empty()),
            ..Group::default()
        };
        let name = &checked.name;
        self.with_key(
            state,
            Parts {
                sealed: self.seal(state, "file.content", &group_secret(name), &file)?,
                sealed_meta_data: self.seal(state, META_DATA, &group_meta_data_secret(name), &meta_data)?,
                token_key: None,
            },
        )
    }

    /// Takes the meta-data out of a secret info.
    ///
    /// # Errors
    /// As [`Sealing::take_group`].
    pub(crate) fn take_info(&self, state: &State, info: &mut InstanceInfo) -> Result<Parts, Error> {
        if !info.secret {
            return Ok(Parts::default());
        }
        check_instance_info(&InstanceInfo {
            secret: false,
            ..info.clone()
        })?;
        let contents = InstanceInfo {
            meta_data: info.meta_data.take().filter(|data| !data.fields.is_empty()),
            ..InstanceInfo::default()
        };
        let node = crate::node::node_of(&info.id)?;
        self.with_key(
            state,
            Parts {
                sealed: self.seal(state, META_DATA, &instance_secret(&node), &contents)?,
                ..Parts::default()
            },
        )
    }

    /// Nothing is sealed for contents of nothing: what is stored stays.
    fn seal(
        &self,
        state: &State,
        field: &'static str,
        name: &str,
        contents: &impl Message,
    ) -> Result<Option<SealedSecret>, Error> {
        let contents = contents.encode_to_vec();
        if contents.is_empty() {
            return Ok(None);
        }
        if contents.len() > CLOUD_INIT_SECRET_BYTES_MAX {
            let problem = format!(
                "it is secret and has {} bytes, at most {CLOUD_INIT_SECRET_BYTES_MAX} are accepted",
                contents.len()
            );
            return Err(rpc::invalid(field, problem));
        }
        let version = state.cluster.secret(name).map_or(0, |known| known.version);
        let sealed = self.0.sealer().seal(name, version.saturating_add(1), &contents);
        sealed.map(Some).map_err(|error| failed(&error))
    }

    /// The first secret of a cluster brings the key of boot tokens.
    fn with_key(&self, state: &State, parts: Parts) -> Result<Parts, Error> {
        let is_first = state.cluster.secret(BOOT_TOKEN_KEY).is_none();
        let is_needed = is_first && (parts.sealed.is_some() || parts.sealed_meta_data.is_some());
        let token_key = is_needed.then(|| self.0.new_key(BOOT_TOKEN_KEY)).transpose();
        Ok(Parts {
            token_key: token_key.map_err(|error| failed(&error))?,
            ..parts
        })
    }
}

/// Of a patch nothing may be secret: it goes into the log as it is.
///
/// # Errors
/// `Conflict` that says what to do.
pub(crate) fn check_patch(state: &State, patch: &PatchGroupRequest) -> Result<(), Error> {
    let has_contents = patch.file.is_some() || patch.meta_data.is_some();
    let is_secret = has_contents
        && state
            .cloud_init
            .group(&patch.name)
            .is_some_and(|group| group.secret);
    if !is_secret {
        return Ok(());
    }
    let detail = format!(
        "{} is secret, so that nobody sees what `file` and `meta-data` would be merged with; put it: what a put leaves out stays",
        patch.name
    );
    Err(Error::Conflict { detail })
}

/// The group without what may be secret of it: what a repeat of the request is recognised by.
pub(crate) fn without_contents(group: &Group) -> Group {
    Group {
        file: group.file.clone().map(without_content),
        meta_data: None,
        ..group.clone()
    }
}

fn without_content(file: GroupFile) -> GroupFile {
    GroupFile {
        content: String::new(),
        ..file
    }
}

fn failed(error: &SealError) -> Error {
    Error::Internal(error.to_string())
}
