//! Random commands for the log, and what the log must hold after each of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft::wal::{Done, Mark, Record, Recovered, Wal};

use crate::dice::Dice;

/// One call of the log.
#[derive(Clone, Debug)]
pub enum LogCommand {
    /// Entries behind the last one.
    Append(Vec<Record>),
    /// A vote.
    Vote(Bytes),
    /// A committed mark, which is not acknowledged by itself.
    Committed(Bytes),
    /// Entries behind this index go.
    Truncate(Option<u64>),
    /// Entries up to the mark go.
    Purge(Mark),
}

/// What the log must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogModel {
    vote: Option<Bytes>,
    committed: Option<Bytes>,
    purged: Option<Mark>,
    entries: BTreeMap<u64, Bytes>,
    next: u64,
}

impl From<&Recovered> for LogModel {
    fn from(recovered: &Recovered) -> LogModel {
        let entries: BTreeMap<u64, Bytes> = recovered
            .entries
            .iter()
            .map(|record| (record.index, record.payload.clone()))
            .collect();
        let behind_purge = recovered.purged.as_ref().map_or(0, |mark| mark.index + 1);
        LogModel {
            vote: recovered.vote.clone(),
            committed: recovered.committed.clone(),
            purged: recovered.purged.clone(),
            next: entries.keys().next_back().map_or(behind_purge, |last| last + 1),
            entries,
        }
    }
}

impl LogModel {
    /// The next command; the same for the same dice and model.
    pub fn choose(&self, dice: &mut Dice) -> LogCommand {
        let first = self.purged.as_ref().map_or(0, |mark| mark.index + 1);
        match dice.below(20) {
            0..=10 => self.choose_append(dice),
            11..=13 => LogCommand::Vote(Bytes::from(format!("vote {}", dice.bits()))),
            14 => LogCommand::Committed(Bytes::from(format!("committed {}", dice.bits()))),
            15..=16 => {
                let next = self.next.saturating_sub(dice.below(12)).max(first);
                LogCommand::Truncate(next.checked_sub(1))
            }
            _ => {
                // mostly within the log, now and then beyond its end, as after a snapshot
                let beyond = if dice.chance(8) { 5 } else { 0 };
                let span = (self.next - first.min(self.next) + beyond).max(1);
                let index = first + dice.below(span);
                LogCommand::Purge(Mark {
                    index,
                    log_id: Bytes::from(format!("log id {index}")),
                })
            }
        }
    }

    /// Entries of random number and size behind the last one.
    pub fn choose_append(&self, dice: &mut Dice) -> LogCommand {
        let longest = [40, 400, 3000][dice.place(3)];
        let records = (0..1 + dice.below(8)).map(|ahead| {
            let salt = dice.bits().to_le_bytes();
            let payload: Vec<u8> = salt.into_iter().cycle().take(dice.place(longest)).collect();
            Record {
                index: self.next + ahead,
                payload: Bytes::from(payload),
            }
        });
        LogCommand::Append(records.collect())
    }

    /// Takes in a command.
    pub fn apply(&mut self, command: &LogCommand) {
        match command {
            LogCommand::Append(records) => {
                for record in records {
                    self.entries.insert(record.index, record.payload.clone());
                    self.next = record.index + 1;
                }
            }
            LogCommand::Vote(vote) => self.vote = Some(vote.clone()),
            LogCommand::Committed(committed) => self.committed = Some(committed.clone()),
            LogCommand::Truncate(last) => {
                self.next = last.map_or(0, |last| last + 1);
                self.entries.split_off(&self.next);
            }
            LogCommand::Purge(mark) => {
                self.entries = self.entries.split_off(&(mark.index + 1));
                self.next = self.next.max(mark.index + 1);
                self.purged = Some(mark.clone());
            }
        }
    }
}

impl LogCommand {
    /// Gives the command to the log. `done` is called at once for a committed mark, which is
    /// durable only with a later command.
    pub fn give_to(&self, wal: &Wal, done: Done) {
        match self.clone() {
            LogCommand::Append(records) => wal.append(records, done),
            LogCommand::Vote(vote) => wal.save_vote(vote, done),
            LogCommand::Committed(committed) => wal.save_committed(committed),
            LogCommand::Truncate(last) => wal.truncate_after(last, done),
            LogCommand::Purge(mark) => wal.purge(mark, done),
        }
    }

    /// Whether the log calls back.
    pub fn is_acknowledged(&self) -> bool {
        !matches!(self, LogCommand::Committed(_))
    }
}

/// Judges what a start found: the state after `acknowledged` commands at least, and after
/// `issued` at most, counted from `start`.
///
/// # Errors
/// What is wrong, in words.
pub fn judge(
    start: &LogModel,
    commands: &[LogCommand],
    acknowledged: u64,
    issued: u64,
    found: &Recovered,
) -> Result<u64, String> {
    let found = LogModel::from(found);
    let mut model = start.clone();
    for count in 0..=issued {
        if count >= acknowledged && model == found {
            return Ok(count);
        }
        if let Some(command) = commands.get(count as usize) {
            model.apply(command);
        }
    }
    Err(format!(
        "acknowledged {acknowledged} of {issued} commands; found next index {}, {} entries, purged {:?}, vote {:?}",
        found.next,
        found.entries.len(),
        found.purged.map(|mark| mark.index),
        found.vote
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(count: usize) -> Vec<LogCommand> {
        let (mut model, mut dice) = (LogModel::default(), Dice::new(5));
        let commands = (0..count).map(|_| {
            let command = model.choose(&mut dice);
            model.apply(&command);
            command
        });
        commands.collect()
    }

    fn state_after(commands: &[LogCommand]) -> Recovered {
        let mut model = LogModel::default();
        commands.iter().for_each(|command| model.apply(command));
        let entries = model
            .entries
            .into_iter()
            .map(|(index, payload)| Record { index, payload })
            .collect();
        Recovered {
            vote: model.vote,
            committed: model.committed,
            purged: model.purged,
            entries,
            cut_off_bytes: 0,
        }
    }

    /// The judge must see a lost command, an invented one and a changed byte.
    #[test]
    fn the_judge_accepts_the_range_and_nothing_else() {
        let commands = script(30);
        let start = LogModel::default();
        for count in 10..=20 {
            assert!(judge(&start, &commands, 10, 20, &state_after(&commands[..count])).is_ok());
        }
        let append = |count: &usize| matches!(commands[*count], LogCommand::Append(_));
        let last_append = (0..9).rev().find(append).unwrap();
        assert!(judge(&start, &commands, 10, 20, &state_after(&commands[..last_append])).is_err());
        let next_append = (20..30).find(append).unwrap() + 1;
        assert!(judge(&start, &commands, 10, 20, &state_after(&commands[..next_append])).is_err());
        let mut changed = state_after(&commands[..15]);
        changed.vote = Some(Bytes::from_static(b"another"));
        assert!(judge(&start, &commands, 10, 20, &changed).is_err());
    }
}
