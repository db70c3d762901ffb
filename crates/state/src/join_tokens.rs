//! Members that join: the tokens that let them in, and the ids that they are given. An id is never given twice.

use std::sync::Arc;

use model::Rejection;
use proto::cluster::v1::cluster_command::{AdmitMember, CreateJoinToken};
use proto::cluster::v1::join_token::Admitted;
use proto::cluster::v1::{JoinToken, member_kind};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::RowKey;
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::table::{Record, Table};

/// Tokens that are good at the same time.
const TOKENS_MAX: usize = 64;
/// Members that one token may admit.
const USES_MAX: u32 = 64;
/// A token is good for this long at most, milliseconds.
const VALID_MS_MAX: u64 = 7 * 24 * 3600 * 1000;
/// Hex digits of a token's id.
const ID_DIGITS: usize = 16;
/// Bytes of a SHA-256.
const DIGEST_BYTES: usize = 32;
/// A public key (SPKI, DER) is shorter.
const PUBLIC_KEY_BYTES_MAX: usize = 1024;

/// Tokens by id, and the next member's id.
#[derive(Clone, Default)]
pub(crate) struct JoinTokens {
    pub(crate) next_member_id: u64,
    pub(crate) tokens: Table<JoinToken>,
}

impl JoinTokens {
    /// The token that the first entry brings, if it does. What cannot be used is refused with the whole entry.
    pub(crate) fn begin(
        &mut self,
        token: Option<&JoinToken>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<(), Rejection> {
        if let Some(token) = token {
            check(token, at.time_ms)?;
            self.tokens.put(token.id.clone(), token.clone(), changes);
        }
        Ok(())
    }

    pub(crate) fn create(
        &mut self,
        create: &CreateJoinToken,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let token = create
            .token
            .as_ref()
            .ok_or_else(|| Rejection::invalid("token", "it is missing"))?;
        check(token, at.time_ms)?;
        if self.tokens.get(&token.id).is_some() {
            return Err(Rejection::invalid(
                "token.id",
                "there is a token of this id already",
            ));
        }
        let ended = |token: &&std::sync::Arc<JoinToken>| token.expires_at_ms <= at.time_ms;
        let forgotten: Vec<String> = self
            .tokens
            .values()
            .filter(ended)
            .map(|token| token.id.clone())
            .collect();
        if self.tokens.len() - forgotten.len() >= TOKENS_MAX {
            let problem =
                format!("{TOKENS_MAX} tokens are good at this time, more are not kept; wait for one to end");
            return Err(Rejection::invalid("token", problem));
        }
        for id in forgotten {
            self.tokens.remove(&id, changes);
        }
        self.tokens.put(token.id.clone(), token.clone(), changes);
        Ok(Applied {
            created: vec![token.id.clone()],
            ..Default::default()
        })
    }

    /// `value` of the outcome is the member's id; a key that was admitted before is given its id again.
    pub(crate) fn admit(
        &mut self,
        admit: &AdmitMember,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        if admit.public_key.is_empty() || admit.public_key.len() > PUBLIC_KEY_BYTES_MAX {
            let problem = format!("it must have 1 to {PUBLIC_KEY_BYTES_MAX} bytes");
            return Err(Rejection::invalid("public_key", problem));
        }
        let known = self.tokens.get(&admit.token_id);
        let good = known
            .filter(|token| token.secret_sha256 == admit.secret_sha256 && token.expires_at_ms > at.time_ms);
        let mut token = good.ok_or_else(refused)?.as_ref().clone();
        let id = match token
            .admitted
            .iter()
            .find(|other| other.public_key == admit.public_key)
        {
            Some(again) => again.member_id,
            None if token.admitted.len() >= token.uses as usize => return Err(refused()),
            None => self.next_member_id.max(admit.id_at_least).max(1),
        };
        if id >= self.next_member_id {
            self.next_member_id = id + 1;
        }
        let created = vec![format!("member {id}")];
        if !token.admitted.iter().any(|other| other.member_id == id) {
            token.admitted.push(Admitted {
                member_id: id,
                public_key: admit.public_key.clone(),
            });
            self.tokens.put(token.id.clone(), token, changes);
        }
        Ok(Applied {
            created,
            value: id.to_string(),
            ..Default::default()
        })
    }
}

/// One answer for all: whoever guesses learns nothing.
fn refused() -> Rejection {
    Rejection::invalid(
        "token",
        "it is unknown, has ended or has admitted as many members as it may; `chamois member add` prints a new one",
    )
}

fn check(token: &JoinToken, time_ms: u64) -> Result<(), Rejection> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if token.id.len() != ID_DIGITS || !token.id.bytes().all(hex) {
        return Err(Rejection::invalid(
            "token.id",
            format!("it has {ID_DIGITS} hex digits"),
        ));
    }
    if token.secret_sha256.len() != DIGEST_BYTES {
        return Err(Rejection::invalid(
            "token.secret_sha256",
            format!("it has {DIGEST_BYTES} bytes"),
        ));
    }
    if token.expires_at_ms <= time_ms || token.expires_at_ms - time_ms > VALID_MS_MAX {
        return Err(Rejection::invalid(
            "token.expires_at_ms",
            "it is good for a second to 7 days",
        ));
    }
    if token.uses == 0 || token.uses > USES_MAX {
        return Err(Rejection::invalid(
            "token.uses",
            format!("1 to {USES_MAX} members are accepted"),
        ));
    }
    if member_kind::Kind::try_from(token.kind).is_err() {
        return Err(Rejection::invalid(
            "token.kind",
            "it is voter, learner or witness",
        ));
    }
    match token.admitted.is_empty() {
        true => Ok(()),
        false => Err(Rejection::invalid(
            "token.admitted",
            "a new token has admitted nobody",
        )),
    }
}

impl Record for JoinToken {
    type Key = String;

    fn row_key(id: &String) -> RowKey {
        RowKey::join_token(id)
    }

    fn key(&self) -> Result<String, String> {
        match self.id.is_empty() {
            true => Err("a join token has no id".into()),
            false => Ok(self.id.clone()),
        }
    }

    fn into_row(self) -> Row {
        Row::JoinToken(self)
    }

    /// Nobody watches what lets a member in.
    fn object(self: Arc<Self>) -> Option<Object> {
        None
    }
}
