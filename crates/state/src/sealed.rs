//! What is sealed, wherever it is stored, and for which key.

use model::Rejection;
use proto::auth::v1::auth_command;
use proto::cloud_init::v1::cloud_init_command;
use proto::cluster::v1::cluster_command::reseal_secrets::Resealed;
use proto::cluster::v1::cluster_command::{ResealSecrets, RetireSealingKey, RotateSealingKey};
use proto::cluster::v1::{SealedSecret, SealingKeys};
use proto::discovery::v1::discovery_command;
use proto::raft::v1::entry::Command;
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::smd_command;
use sha2::{Digest as _, Sha256};

use crate::State;
use crate::bounds::{RETIRED_KEYS_MAX, SECRETS_RESEALED_MAX, check_count};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::table::{Record, Table};

/// First byte of a ciphertext that names its key.
const FORMAT_NAMED: u8 = 2;
/// Bytes of a key's id.
const ID_BYTES: usize = 8;
/// Bytes of a public key, X25519.
const PUBLIC_KEY_BYTES: usize = 32;
/// So many bytes of a ciphertext tell it from every other: format, key's id and encapsulated key are 41.
const CIPHERTEXT_MARK_BYTES: usize = 48;

/// The id of the key that opens a secret; `None` for one that was sealed before the cluster named its key.
pub fn sealed_for(sealed: &SealedSecret) -> Option<String> {
    match sealed.ciphertext.split_first() {
        Some((&FORMAT_NAMED, rest)) => rest.get(..ID_BYTES).map(hex),
        _ => None,
    }
}

/// What tells a ciphertext from every other.
pub fn ciphertext_mark(sealed: &SealedSecret) -> &[u8] {
    let length = sealed.ciphertext.len().min(CIPHERTEXT_MARK_BYTES);
    &sealed.ciphertext[..length]
}

/// The id of a public key: the first 8 bytes of its SHA-256, in hex.
pub fn sealing_key_id(public_key: &[u8]) -> String {
    hex(&Sha256::digest(public_key)[..ID_BYTES])
}

/// Lower-case hex digits, two a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first 122 bits of `random` as a UUID of version 4.
pub(crate) fn uuid(random: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in random.iter().take(16).enumerate() {
        let byte = match place {
            6 => byte & 0x0f | 0x40,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

impl State {
    /// Everything that is sealed, each under a name of its own.
    pub fn sealed(&self) -> impl Iterator<Item = &SealedSecret> {
        self.cluster.secrets().chain(self.auth.sealed())
    }

    /// What is not sealed for the key that seals; nothing before the first rotation.
    pub fn to_be_resealed(&self) -> impl Iterator<Item = &SealedSecret> {
        let active = self.cluster.sealing_keys().map(|keys| keys.active_id.clone());
        let is_other = move |sealed: &&SealedSecret| active.is_some() && sealed_for(sealed) != active;
        self.sealed().filter(is_other)
    }

    pub(crate) fn reseal(
        &mut self,
        reseal: &ResealSecrets,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_count("secrets", reseal.secrets.len(), SECRETS_RESEALED_MAX)?;
        let keys = self.cluster.sealing_keys().ok_or_else(no_rotation)?;
        let active = Some(keys.active_id.clone());
        for resealed in &reseal.secrets {
            let sealed = resealed.sealed.as_ref();
            if sealed.and_then(sealed_for) != active {
                let problem = "it is not sealed for the key that seals; seal it again";
                return Err(Rejection::invalid("secrets.sealed", problem));
            }
        }
        let mut applied = Applied::default();
        for resealed in &reseal.secrets {
            let name = resealed.sealed.iter().map(|sealed| sealed.name.clone());
            let is_replaced = self.cluster.reseal(resealed, changes) || self.auth.reseal(resealed, changes);
            match is_replaced {
                true => applied.updated.extend(name),
                false => applied.unchanged.extend(name),
            }
        }
        Ok(applied)
    }

    pub(crate) fn retire_sealing_key(&mut self, retire: &RetireSealingKey) -> Result<Applied, Rejection> {
        let keys = self.cluster.sealing_keys().ok_or_else(no_rotation)?;
        if keys.retiring_id.is_empty() || keys.retiring_id != retire.id {
            return Ok(Applied {
                unchanged: vec![retire.id.clone()],
                ..Applied::default()
            });
        }
        let left = self.to_be_resealed().count();
        if left > 0 {
            let detail = format!(
                "{left} secrets are still sealed for {}; seal them anew first",
                retire.id
            );
            return Err(Rejection::Conflict { detail });
        }
        let keys = retired(keys);
        self.cluster.set_sealing_keys(keys);
        Ok(Applied {
            updated: vec![retire.id.clone()],
            ..Applied::default()
        })
    }

    pub(crate) fn rotate_sealing_key(
        &mut self,
        rotate: &RotateSealingKey,
        at: &LogPosition<'_>,
    ) -> Result<Applied, Rejection> {
        let keys = rotated(self.cluster.sealing_keys(), rotate, at.time_ms)?;
        let value = keys.active_id.clone();
        self.cluster.set_sealing_keys(keys);
        Ok(Applied {
            updated: vec![value.clone()],
            value,
            ..Applied::default()
        })
    }

    /// What is sealed for a key that members have forgotten would never open again. What names no key is sealed for the one before
    /// the first rotation, so it is taken during that one alone.
    ///
    /// # Errors
    /// `Conflict`: whoever sealed it is behind, and a repeat is sealed for the right key.
    pub(crate) fn check_sealed_for(&self, command: &Command) -> Result<(), Rejection> {
        let Some(keys) = self.cluster.sealing_keys() else {
            return Ok(());
        };
        let opens = |sealed: &&SealedSecret| match sealed_for(sealed) {
            Some(id) => id == keys.active_id || id == keys.retiring_id,
            None => keys.retired_ids.is_empty(),
        };
        match sealed_in(command).iter().find(|sealed| !opens(sealed)) {
            None => Ok(()),
            Some(sealed) => Err(Rejection::Conflict {
                detail: format!(
                    "{} is sealed for a key that is retired: the member that was asked is behind; repeat the request",
                    sealed.name
                ),
            }),
        }
    }
}

/// The keys when nothing is sealed any more for the one before.
fn retired(before: &SealingKeys) -> SealingKeys {
    let mut keys = before.clone();
    let id = std::mem::take(&mut keys.retiring_id);
    keys.retired_ids.retain(|retired| *retired != id);
    keys.retired_ids.push(id);
    let too_many = keys.retired_ids.len().saturating_sub(RETIRED_KEYS_MAX);
    keys.retired_ids.drain(..too_many);
    keys
}

/// The keys after a rotation.
fn rotated(
    before: Option<&SealingKeys>,
    rotate: &RotateSealingKey,
    now_ms: u64,
) -> Result<SealingKeys, Rejection> {
    if rotate.public_key.len() != PUBLIC_KEY_BYTES {
        let problem = format!("it is an X25519 key of {PUBLIC_KEY_BYTES} bytes");
        return Err(Rejection::invalid("public_key", problem));
    }
    let is_id = rotate.if_active.len() == 2 * ID_BYTES
        && rotate
            .if_active
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_id {
        let problem =
            "it is the id of the key that seals, 16 hex digits, as `chamois secrets status` shows it";
        return Err(Rejection::invalid("if_active", problem));
    }
    let conflict = |detail: String| Err(Rejection::Conflict { detail });
    let active_id = sealing_key_id(&rotate.public_key);
    if let Some(before) = before {
        if !before.retiring_id.is_empty() {
            return conflict(format!(
                "secrets of key {} are still being sealed anew; wait until `chamois secrets status` shows none",
                before.retiring_id
            ));
        }
        if before.active_id != rotate.if_active {
            return conflict(format!(
                "key {} seals, not {}",
                before.active_id, rotate.if_active
            ));
        }
    }
    if active_id == rotate.if_active {
        return conflict(format!("key {active_id} seals already"));
    }
    Ok(SealingKeys {
        active_id,
        public_key: rotate.public_key.clone(),
        since_ms: now_ms,
        retiring_id: rotate.if_active.clone(),
        retired_ids: before
            .map(|before| before.retired_ids.clone())
            .unwrap_or_default(),
    })
}

fn no_rotation() -> Rejection {
    Rejection::Conflict {
        detail: "no key was rotated yet; begin with `chamois secrets rotate-kek`".to_owned(),
    }
}

/// Puts a resealed secret into the object that has it, if that has still the one that was opened.
pub(crate) fn reseal_in<R: Record>(
    table: &mut Table<R>,
    key: &R::Key,
    resealed: &Resealed,
    place: impl Fn(&mut R) -> Option<&mut SealedSecret>,
    changes: &mut Changes,
) -> bool {
    let (Some(object), Some(new)) = (table.get(key), &resealed.sealed) else {
        return false;
    };
    let mut object = object.as_ref().clone();
    let Some(stored) = place(&mut object) else {
        return false;
    };
    let is_same = stored.name == new.name && stored.version == new.version;
    if !is_same || ciphertext_mark(stored) != resealed.was.as_slice() {
        return false;
    }
    *stored = new.clone();
    table.put(key.clone(), object, changes);
    true
}

/// Everything sealed that a command brings, but for the first entry of a cluster and for what is sealed anew.
fn sealed_in(command: &Command) -> Vec<&SealedSecret> {
    let found: Vec<Option<&SealedSecret>> = match command {
        Command::Smd(command) => match &command.change {
            Some(smd_command::Change::StoreDiscovery(store)) => {
                store.endpoints.iter().map(|one| one.password.as_ref()).collect()
            }
            Some(smd_command::Change::PatchRedfishEndpoint(patch)) => vec![patch.password.as_ref()],
            _ => Vec::new(),
        },
        Command::CloudInit(command) => match &command.change {
            Some(cloud_init_command::Change::PutGroup(put)) => vec![
                put.sealed.as_ref(),
                put.token_key.as_ref(),
                put.sealed_meta_data.as_ref(),
            ],
            Some(cloud_init_command::Change::PutInstanceInfo(put)) => {
                vec![put.sealed.as_ref(), put.token_key.as_ref()]
            }
            _ => Vec::new(),
        },
        Command::Auth(command) => command.change.as_ref().map_or_else(Vec::new, sealed_in_auth),
        Command::Discovery(command) => command.change.as_ref().map_or_else(Vec::new, sealed_in_discovery),
        Command::Bss(_)
        | Command::Dhcp(_)
        | Command::BootFile(_)
        | Command::Cluster(_)
        | Command::Job(_)
        | Command::Configurator(_) => Vec::new(),
    };
    found.into_iter().flatten().collect()
}

fn sealed_in_discovery(change: &discovery_command::Change) -> Vec<Option<&SealedSecret>> {
    use discovery_command::Change;
    match change {
        Change::PutCredential(put) => vec![put.password.as_ref()],
        Change::PutNextPassword(put) => vec![put.password.as_ref()],
        Change::KeepNextPassword(keep) => vec![keep.password.as_ref()],
        _ => Vec::new(),
    }
}

fn sealed_in_auth(change: &auth_command::Change) -> Vec<Option<&SealedSecret>> {
    use auth_command::Change;
    match change {
        Change::RotateSigningKey(rotate) => {
            let keys = [&rotate.next, &rotate.first];
            let keys = keys.into_iter().flatten();
            keys.map(|key| key.private_key.as_ref()).collect()
        }
        Change::PutProvider(put) => {
            let provider = put.provider.as_ref();
            vec![provider.and_then(|provider| provider.client_secret.as_ref())]
        }
        Change::AddAuthority(add) => {
            let authority = add.authority.as_ref();
            vec![authority.and_then(|authority| authority.private_key.as_ref())]
        }
        Change::PutAuthSecret(put) => vec![put.secret.as_ref()],
        _ => Vec::new(),
    }
}
