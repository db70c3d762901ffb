//! What one log entry did: who, what, to which objects, with which outcome. Names only, never a value that was set.

use proto::raft::v1 as pb;
use state::{Applied, Event, RowKey, RowKind, State};

use crate::command_numbers::CommandNumbers;

/// What one log entry did.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// Log index.
    pub index: u64,
    /// Cluster time after the entry, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What the entry is.
    pub what: DeedKind,
    /// Who asked for it; empty for entries of Raft itself.
    pub principal: String,
    /// Which request it is of: the client's session, and the number in it.
    pub request: Option<(Vec<u8>, u64)>,
    /// What gave the author the right: the permission, and the policies; empty for who needs none.
    pub permission: String,
    /// See `permission`.
    pub policies: Vec<String>,
    /// What became of it.
    pub result: DeedResult,
    /// What it changed, sorted by kind and key.
    pub touched: Vec<Touch>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeedKind {
    /// A command of ours.
    Command(CommandNumbers),
    /// The first entry of a leader.
    Blank,
    /// A change of the members.
    Membership,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum DeedResult {
    /// It was applied.
    Applied,
    /// A repeat: its first outcome was given again, nothing was changed.
    Repeated,
    /// It was refused, with nothing changed. Without the detail, which may quote what was set.
    Rejected(pb::outcome::Rejected),
}

/// One object that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Its kind.
    pub kind: RowKind,
    /// What it is found by; empty where that opens something.
    pub id: String,
    /// What became of it.
    pub change: TouchChange,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchChange {
    /// It was not there before.
    Created,
    /// It was there, and is.
    Updated,
    /// It is not there any more.
    Deleted,
    /// It is there; of objects that nobody can watch it is not known whether it was.
    Stored,
}

impl Deed {
    /// An entry that changes nothing of ours.
    pub(crate) fn of_raft(index: u64, what: DeedKind, state: &State) -> Deed {
        Deed {
            index,
            at_ms: state.time_ms(),
            what,
            principal: String::new(),
            request: None,
            permission: String::new(),
            policies: Vec::new(),
            result: DeedResult::Applied,
            touched: Vec::new(),
        }
    }

    /// What `entry` has done, which led to `state`. Whoever has its bytes says which command it is.
    pub(crate) fn of(index: u64, entry: &pb::Entry, state: &State, applied: &Applied) -> Deed {
        let result = match &applied.outcome.result {
            _ if applied.replayed => DeedResult::Repeated,
            Some(pb::outcome::Result::Rejected(rejected)) => DeedResult::Rejected(without_detail(rejected)),
            Some(pb::outcome::Result::Applied(_)) | None => DeedResult::Applied,
        };
        let touched = touched(state, applied);
        Deed {
            result,
            touched,
            ..Deed::by(index, entry, state)
        }
    }

    /// An entry that could not be applied because of a bug.
    pub(crate) fn of_bug(index: u64, entry: &pb::Entry, state: &State) -> Deed {
        let rejected = pb::outcome::Rejected {
            kind: pb::outcome::rejected::Kind::Bug.into(),
            ..Default::default()
        };
        Deed {
            result: DeedResult::Rejected(rejected),
            ..Deed::by(index, entry, state)
        }
    }

    fn by(index: u64, entry: &pb::Entry, state: &State) -> Deed {
        let command = DeedKind::Command(CommandNumbers::default());
        let mut deed = Deed::of_raft(index, command, state);
        let Some(header) = &entry.header else {
            return deed;
        };
        deed.principal.clone_from(&header.principal);
        let session = header.session.as_ref();
        deed.request = session.map(|session| (session.client_id.clone(), session.seq));
        if let Some(grant) = &header.grant {
            deed.permission.clone_from(&grant.permission);
            deed.policies.clone_from(&grant.policies);
        }
        deed
    }

    /// Bytes of memory that it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let client = self.request.as_ref().map_or(0, |(client, _)| client.len());
        let refusal = match &self.result {
            DeedResult::Rejected(rejected) => rejected.subject.len() + rejected.id.len(),
            DeedResult::Applied | DeedResult::Repeated => 0,
        };
        let policies = self.policies.iter().map(|name| size_of::<String>() + name.len());
        let texts = self.principal.len() + self.permission.len() + client + refusal;
        let touched = self
            .touched
            .iter()
            .map(|touch| size_of::<Touch>() + touch.id.len());
        size_of::<Deed>() + texts + policies.sum::<usize>() + touched.sum::<usize>()
    }
}

fn without_detail(rejected: &pb::outcome::Rejected) -> pb::outcome::Rejected {
    pb::outcome::Rejected {
        kind: rejected.kind,
        subject: rejected.subject.clone(),
        id: rejected.id.clone(),
        actual_revision: rejected.actual_revision,
        expected_revision: rejected.expected_revision,
        ..Default::default()
    }
}

/// What watchers are told, and the rows that they are not: tokens, keys, secrets.
fn touched(state: &State, applied: &Applied) -> Vec<Touch> {
    let events = &applied.events;
    let mut touched: Vec<Touch> = events.iter().filter_map(of_event).collect();
    let is_untold = |key: &&RowKey| {
        is_shown(key.kind()) && events.binary_search_by(|event| event.key().cmp(key)).is_err()
    };
    touched.extend(applied.changed.iter().filter(is_untold).map(|key| Touch {
        kind: key.kind(),
        id: id(key),
        change: match state.row(key) {
            Some(_) => TouchChange::Stored,
            None => TouchChange::Deleted,
        },
    }));
    touched
}

fn of_event(event: &Event) -> Option<Touch> {
    let object = event.object()?;
    Some(Touch {
        kind: event.key().kind(),
        id: object.id(),
        change: match (event.before(), event.after()) {
            (None, _) => TouchChange::Created,
            (Some(_), Some(_)) => TouchChange::Updated,
            (Some(_), None) => TouchChange::Deleted,
        },
    })
}

/// Whether a row is an object, and not what keeps the log's own books.
fn is_shown(kind: RowKind) -> bool {
    !matches!(kind, RowKind::Header | RowKind::Session | RowKind::ObjectRevision)
}

/// The key as text. Of what a device is approved by, the key is what somebody types to approve it.
fn id(key: &RowKey) -> String {
    if key.kind() == RowKind::DeviceApproval {
        return String::new();
    }
    let bytes = key.to_bytes();
    let text = bytes.get(1..).map(String::from_utf8_lossy);
    text.unwrap_or_default().replace('\0', "/")
}

#[cfg(test)]
mod tests {
    use proto::cluster::v1::{ClusterCommand, JoinToken, cluster_command};
    use proto::smd::v1::smd_command::{CreateGroup, DeleteGroup};
    use proto::smd::v1::{Group, SmdCommand, smd_command};
    use state::cluster::FEATURE_LEVEL_KNOWN;

    use super::*;

    fn entry(seq: u64, command: pb::entry::Command) -> pb::Entry {
        let session = pb::ClientSession {
            client_id: vec![7; 16],
            seq,
            ack_below: seq,
            opened_at_ms: 1,
        };
        let header = pb::Header {
            session: Some(session),
            proposed_at_ms: 5,
            principal: "user/ada".into(),
            ..pb::Header::default()
        };
        pb::Entry {
            header: Some(header),
            command: Some(command),
        }
    }

    fn smd(change: smd_command::Change) -> pb::entry::Command {
        pb::entry::Command::Smd(SmdCommand { change: Some(change) })
    }

    fn cluster(change: cluster_command::Change) -> pb::entry::Command {
        pb::entry::Command::Cluster(ClusterCommand { change: Some(change) })
    }

    fn create(label: &str) -> pb::entry::Command {
        let group = Some(Group {
            label: label.into(),
            description: "canary".into(),
            ..Group::default()
        });
        smd(smd_command::Change::CreateGroup(CreateGroup { group }))
    }

    fn done(state: &mut State, entry: &pb::Entry) -> Deed {
        let index = state.applied_index() + 1;
        let applied = state.apply(index, entry);
        Deed::of(index, entry, state, &applied)
    }

    #[test]
    fn who_did_what_to_which_object_with_which_outcome() {
        let mut state = State::at_level(FEATURE_LEVEL_KNOWN);
        let made = done(&mut state, &entry(1, create("gpu")));
        assert_eq!(
            (made.principal.as_str(), made.result.clone()),
            ("user/ada", DeedResult::Applied)
        );
        let touch = |change| Touch {
            kind: RowKind::Group,
            id: "gpu".into(),
            change,
        };
        assert_eq!(made.touched, [touch(TouchChange::Created)]);
        assert_eq!(made.request, Some((vec![7; 16], 1)));
        let again = done(&mut state, &entry(1, create("gpu")));
        assert_eq!((again.result, again.touched), (DeedResult::Repeated, Vec::new()));
        let twice = done(&mut state, &entry(2, create("gpu")));
        let DeedResult::Rejected(rejected) = twice.result else {
            panic!("{twice:?}");
        };
        assert_eq!(rejected.kind(), pb::outcome::rejected::Kind::AlreadyExists);
        let delete = DeleteGroup {
            label: "gpu".into(),
            ..Default::default()
        };
        let gone = done(
            &mut state,
            &entry(3, smd(smd_command::Change::DeleteGroup(delete))),
        );
        assert_eq!(gone.touched, [touch(TouchChange::Deleted)]);
    }

    /// A text that is not counted would let strangers fill the memory that deeds may take.
    #[test]
    fn every_text_counts() {
        let of_raft = || Deed::of_raft(1, DeedKind::Blank, &State::new());
        let long = || "x".repeat(1000);
        let rejected = |rejected| Deed {
            result: DeedResult::Rejected(rejected),
            ..of_raft()
        };
        let (subject, id) = (long(), long());
        let longer = [
            Deed {
                principal: long(),
                ..of_raft()
            },
            Deed {
                request: Some((vec![7; 1000], 1)),
                ..of_raft()
            },
            Deed {
                permission: long(),
                ..of_raft()
            },
            Deed {
                policies: vec![long()],
                ..of_raft()
            },
            rejected(pb::outcome::Rejected {
                subject,
                ..Default::default()
            }),
            rejected(pb::outcome::Rejected {
                id,
                ..Default::default()
            }),
        ];
        for deed in longer {
            assert!(deed.bytes() >= of_raft().bytes() + 1000, "{deed:?}");
        }
    }

    /// What was set must be in no journal, whatever it was.
    #[test]
    fn no_value_is_part_of_a_deed() {
        let mut state = State::at_level(FEATURE_LEVEL_KNOWN);
        let made = done(&mut state, &entry(1, create("gpu")));
        let twice = done(&mut state, &entry(2, create("gpu")));
        assert!(!format!("{made:?}{twice:?}").contains("canary"));
    }

    /// Nobody watches what lets a member in; who has made it is asked all the same.
    #[test]
    fn what_nobody_can_watch_is_there_with_its_name() {
        let mut state = State::at_level(FEATURE_LEVEL_KNOWN);
        let id = "0123456789abcdef".to_owned();
        let token = JoinToken {
            id: id.clone(),
            secret_sha256: vec![7; 32],
            expires_at_ms: 60_000,
            uses: 1,
            ..JoinToken::default()
        };
        let create = cluster_command::CreateJoinToken { token: Some(token) };
        let create = cluster(cluster_command::Change::CreateJoinToken(create));
        let made = done(&mut state, &entry(1, create));
        let stored = Touch {
            kind: RowKind::JoinToken,
            id,
            change: TouchChange::Stored,
        };
        assert_eq!((made.result, made.touched), (DeedResult::Applied, vec![stored]));
        let level = cluster_command::SetFeatureLevel {
            level: FEATURE_LEVEL_KNOWN,
        };
        let raise = cluster(cluster_command::Change::SetFeatureLevel(level));
        let raised = done(&mut state, &entry(2, raise));
        assert!(
            raised.touched.is_empty(),
            "the log's own books are no objects: {raised:?}"
        );
        assert!(!is_shown(RowKind::Session) && is_shown(RowKind::ApiToken));
    }
}
