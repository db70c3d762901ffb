//! What is secret is taken out of a write and sealed, before anything is proposed.

use auth::{BootTokens, SealError, Sealer};
use prost::Message;
use proto::cloud_init::v1::{Group, GroupFile, InstanceInfo};
use proto::cluster::v1::SealedSecret;
use rpc::Error;
use state::State;
use state::bounds::CLOUD_INIT_SECRET_BYTES_MAX;
use state::cloud_init::{BOOT_TOKEN_KEY, check_instance_info, checked_group, group_secret, instance_secret};

/// Seals, and cannot open.
#[derive(Clone, Debug)]
pub(crate) struct Sealing(BootTokens);

/// What goes into the log beside the object, which holds nothing secret any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) sealed: Option<SealedSecret>,
    pub(crate) token_key: Option<SealedSecret>,
}

impl Sealing {
    pub(crate) fn new(sealer: &Sealer) -> Sealing {
        Sealing(BootTokens::new(sealer.seal_only()))
    }

    /// Takes file and meta-data out of a secret group.
    ///
    /// # Errors
    /// `Invalid` for what could not be served: nobody could check it later.
    pub(crate) fn take_group(&self, state: &State, group: &mut Group) -> Result<Parts, Error> {
        if !group.secret {
            return Ok(Parts::default());
        }
        let in_the_clear = Group {
            secret: false,
            ..group.clone()
        };
        let checked = checked_group(&in_the_clear)?;
        let contents = Group {
            file: checked.file.clone(),
            meta_data: checked.meta_data.filter(|data| !data.fields.is_empty()),
            ..Group::default()
        };
        let name = group_secret(&checked.name);
        *group = without_contents(group);
        group.file = checked.file.map(without_content);
        self.parts(state, &name, &contents)
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
        self.parts(state, &instance_secret(&node), &contents)
    }

    /// Nothing is sealed for contents of nothing: what is stored stays.
    fn parts(&self, state: &State, name: &str, contents: &impl Message) -> Result<Parts, Error> {
        let contents = contents.encode_to_vec();
        if contents.is_empty() {
            return Ok(Parts::default());
        }
        if contents.len() > CLOUD_INIT_SECRET_BYTES_MAX {
            let problem = format!(
                "what is secret has {} bytes, at most {CLOUD_INIT_SECRET_BYTES_MAX} are accepted",
                contents.len()
            );
            return Err(rpc::invalid("secret", problem));
        }
        let version = state.cluster.secret(name).map_or(0, |known| known.version);
        let sealed = self.0.sealer().seal(name, version.saturating_add(1), &contents);
        let has_key = state.cluster.secret(BOOT_TOKEN_KEY).is_some();
        let token_key = (!has_key).then(|| self.0.new_key(BOOT_TOKEN_KEY)).transpose();
        Ok(Parts {
            sealed: Some(sealed.map_err(|error| failed(&error))?),
            token_key: token_key.map_err(|error| failed(&error))?,
        })
    }
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
