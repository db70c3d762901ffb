//! The keys that sign access tokens: each is published before it signs, and good until the last of its tokens has ended.

use std::sync::Arc;

use model::Rejection;
use proto::auth::v1::SigningKey;
use proto::auth::v1::auth_command::RotateSigningKey;
use proto::auth::v1::signing_key::Stage;
use proto::cluster::v1::cluster_command::reseal_secrets::Resealed;
use proto::raft::v1::outcome::Applied;

use super::{forms, malformed, over, remove_all};
use crate::RowKind;
use crate::bounds::{ACCESS_TOKEN_MS_MAX, KEY_PUBLISHED_MS, KEY_REMEMBERED_MS, LEEWAY_MS, SIGNING_KEYS_MAX};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::sealed::reseal_in;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// Characters of an id: base64url of a SHA-256.
const ID_CHARS: usize = 43;
/// A public key (SPKI, DER) of P-256 is shorter.
const PUBLIC_KEY_BYTES_MAX: usize = 1024;
/// Version under which private keys are sealed.
const SEALED_VERSION: u32 = 1;

/// By id. One signs at most, and one is next.
#[derive(Clone, Default)]
pub(super) struct SigningKeys(Table<SigningKey>);

impl SigningKeys {
    pub(super) fn get(&self, id: &str) -> Option<&Arc<SigningKey>> {
        self.0.get(&id.to_owned())
    }

    /// Sorted by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.0.values()
    }

    pub(super) fn active(&self) -> Option<&Arc<SigningKey>> {
        self.at_stage(Stage::Active)
    }

    fn at_stage(&self, stage: Stage) -> Option<&Arc<SigningKey>> {
        self.iter().find(|key| key.stage() == stage)
    }

    /// Three keys move at once, so that there is never a moment without one that signs or is next.
    pub(super) fn rotate(
        &mut self,
        rotate: &RotateSigningKey,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let next = checked("next", rotate.next.as_ref(), Stage::Next)?;
        let active = self.active().map(|key| key.as_ref().clone());
        let new = match (&active, &rotate.first) {
            (Some(active), None) if active.id == rotate.if_active => {
                self.check_published(rotate.urgent, at.time_ms)?;
                vec![next]
            }
            (None, Some(first)) if rotate.if_active.is_empty() => {
                vec![checked("first", Some(first), Stage::Active)?, next]
            }
            _ => return Err(rotated_by_another(active.as_ref())),
        };
        if rotate.distrust_active && !(rotate.urgent && active.is_some()) {
            let problem = "it goes with `urgent`, and with a key that signs";
            return Err(Rejection::invalid("distrust_active", problem));
        }
        self.check_new(&new)?;
        self.make_room(new.len(), changes)?;
        let mut applied = Applied::default();
        if let Some(active) = active {
            applied.updated = self.move_on(active, rotate.distrust_active, at, changes);
        }
        for key in new {
            applied.created.push(key.id.clone());
            let key = SigningKey {
                stage_since_ms: at.time_ms,
                meta: at.created(),
                ..key
            };
            self.0.put(key.id.clone(), key, changes);
        }
        Ok(applied)
    }

    /// Every member has known the next key for so long that it accepts what that signs.
    fn check_published(&self, urgent: bool, now_ms: u64) -> Result<(), Rejection> {
        let next = self.at_stage(Stage::Next);
        let since_ms = next.map(|key| key.stage_since_ms);
        if urgent || since_ms.is_none_or(|since_ms| now_ms.saturating_sub(since_ms) >= KEY_PUBLISHED_MS) {
            return Ok(());
        }
        let detail = format!(
            "the next key is published for less than {} minutes; repeat it later, or say that it is urgent",
            KEY_PUBLISHED_MS / 60_000
        );
        Err(Rejection::Conflict { detail })
    }

    fn check_new(&self, new: &[SigningKey]) -> Result<(), Rejection> {
        let is_twice = matches!(new, [first, next] if first.id == next.id);
        match is_twice || new.iter().any(|key| self.get(&key.id).is_some()) {
            true => Err(Rejection::invalid("next.id", "there is a key of this id already")),
            false => Ok(()),
        }
    }

    /// Retired keys are only remembered: the ones that came first go first.
    fn make_room(&mut self, new: usize, changes: &mut Changes) -> Result<(), Rejection> {
        let surplus = (self.0.len() + new).saturating_sub(SIGNING_KEYS_MAX);
        let mut retired: Vec<&Arc<SigningKey>> =
            self.iter().filter(|key| key.stage() == Stage::Retired).collect();
        if retired.len() < surplus {
            let detail = format!(
                "{SIGNING_KEYS_MAX} keys are published, more are not kept; the ones that signed before retire in {} minutes",
                (ACCESS_TOKEN_MS_MAX + LEEWAY_MS) / 60_000
            );
            return Err(Rejection::Conflict { detail });
        }
        retired.sort_by_key(|key| key.stage_since_ms); // stable: those of one time stay sorted by id
        let gone: Vec<String> = retired.iter().take(surplus).map(|key| key.id.clone()).collect();
        remove_all(&mut self.0, &gone, changes);
        Ok(())
    }

    /// The key that signed retires, and the next one signs.
    fn move_on(
        &mut self,
        active: SigningKey,
        distrust: bool,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Vec<String> {
        let stage = if distrust { Stage::Retired } else { Stage::Retiring };
        let retiring = SigningKey {
            private_key: None,
            ..active
        };
        let next = self.at_stage(Stage::Next).map(|key| key.as_ref().clone());
        let moved = [Some((retiring, stage)), next.map(|key| (key, Stage::Active))];
        let moved = moved.into_iter().flatten();
        moved
            .map(|(key, stage)| self.set_stage(key, stage, at, changes))
            .collect()
    }

    fn set_stage(
        &mut self,
        key: SigningKey,
        stage: Stage,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> String {
        let id = key.id.clone();
        let key = SigningKey {
            stage: stage.into(),
            stage_since_ms: at.time_ms,
            meta: at.modified(key.meta.as_ref()),
            ..key
        };
        self.0.put(id.clone(), key, changes);
        id
    }

    /// By the entry's time: what no token of can be good any more is retired, and what was retired long ago is gone.
    pub(super) fn end(&mut self, at: &LogPosition<'_>, changes: &mut Changes) -> Applied {
        let is_over = |key: &SigningKey, stage: Stage, after_ms: u64| {
            key.stage() == stage && key.stage_since_ms.saturating_add(after_ms) <= at.time_ms
        };
        let gone = over(
            &self.0,
            |key| is_over(key, Stage::Retired, KEY_REMEMBERED_MS),
            SIGNING_KEYS_MAX,
        );
        remove_all(&mut self.0, &gone, changes);
        let ended = self
            .iter()
            .filter(|key| is_over(key, Stage::Retiring, ACCESS_TOKEN_MS_MAX + LEEWAY_MS));
        let ended: Vec<SigningKey> = ended.map(|key| key.as_ref().clone()).collect();
        let updated = ended
            .into_iter()
            .map(|key| self.set_stage(key, Stage::Retired, at, changes))
            .collect();
        Applied {
            updated,
            deleted_count: gone.len() as u64,
            deleted: gone,
            ..Applied::default()
        }
    }

    pub(super) fn clear(&mut self, changes: &mut Changes) {
        let all = over(&self.0, |_| true, usize::MAX);
        remove_all(&mut self.0, &all, changes);
    }

    /// Whether the secret of this id was still the one that was sealed anew.
    pub(super) fn reseal(&mut self, id: &str, resealed: &Resealed, changes: &mut Changes) -> bool {
        let id = id.to_owned();
        reseal_in(
            &mut self.0,
            &id,
            resealed,
            |row| row.private_key.as_mut(),
            changes,
        )
    }

    pub(super) fn load(&mut self, row: SigningKey, changes: &mut Changes) -> Result<(), SnapshotError> {
        let id = self.0.check_load(&row, RowKind::SigningKey)?;
        let stage = row.stage();
        let is_single = matches!(stage, Stage::Active | Stage::Next);
        if stage == Stage::Unspecified || (is_single && self.at_stage(stage).is_some()) {
            return Err(malformed(
                RowKind::SigningKey,
                format!("{id} is at a stage where none is, or another"),
            ));
        }
        if is_single != row.private_key.is_some() {
            return Err(malformed(
                RowKind::SigningKey,
                format!("{id} has a private key too many or none"),
            ));
        }
        self.0.put(id, row, changes);
        Ok(())
    }
}

/// Two leaders may think of it at once; the log orders them and the second one learns what the first has done.
fn rotated_by_another(active: Option<&SigningKey>) -> Rejection {
    let detail = match active {
        Some(active) => format!(
            "the key that signs is {}; name it as `if_active`, and give no `first`",
            active.id
        ),
        None => "there is no key yet; give `first`, and no `if_active`".to_owned(),
    };
    Rejection::Conflict { detail }
}

/// A new key as its rows are, but for time and meta.
fn checked(field: &str, given: Option<&SigningKey>, stage: Stage) -> Result<SigningKey, Rejection> {
    let key = given.ok_or_else(|| Rejection::invalid(field, "it is missing"))?;
    let invalid = |part: &str, problem: String| Err(Rejection::invalid(&format!("{field}.{part}"), problem));
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if key.id.len() != ID_CHARS || !key.id.bytes().all(is_part) {
        return invalid(
            "id",
            format!("it has {ID_CHARS} characters of base64url, the key's thumbprint"),
        );
    }
    if key.stage() != stage {
        return invalid("stage", format!("it is {}", stage.as_str_name()));
    }
    if key.public_key.is_empty() || key.public_key.len() > PUBLIC_KEY_BYTES_MAX {
        return invalid(
            "public_key",
            format!("it must have 1 to {PUBLIC_KEY_BYTES_MAX} bytes"),
        );
    }
    let Some(sealed) = &key.private_key else {
        return invalid("private_key", "it is missing".to_owned());
    };
    let sealed_field = format!("{field}.private_key");
    forms::check_sealed(&sealed_field, sealed, &format!("signing-key/{}", key.id))?;
    if sealed.version != SEALED_VERSION {
        return invalid("private_key.version", format!("it is {SEALED_VERSION}"));
    }
    Ok(key.clone())
}
