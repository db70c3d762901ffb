//! What a node boots: which boot configuration, or which boot parameters of BSS v1, wins for it. Pure.
//!
//! [`matches`](crate::matches) finds what selects the node, the most specific first; [`choose`] decides among that.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use proto::boot_file::v1::Image;
use proto::bss::v1::{BootConfiguration, BootParametersEntry, BootRollout};

use crate::{BOOT_PRIORITY_DEFAULT, priority};

/// Boot configurations, and boot parameters, that one node's kernel parameters are merged of.
pub const MERGED_MAX: usize = 16;

/// How closely a selector names a node. The first wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BootClass {
    /// By its xname, a MAC or its NID.
    Own,
    /// By a nodeset that it is in.
    NodeSet,
    /// By a group that it is a member of.
    Group,
    /// By its subrole.
    SubRole,
    /// By its role.
    Role,
    /// As every node.
    Default,
}

impl BootClass {
    /// Every class, in the order in which they win.
    pub const ALL: [BootClass; 6] = [
        BootClass::Own,
        BootClass::NodeSet,
        BootClass::Group,
        BootClass::SubRole,
        BootClass::Role,
        BootClass::Default,
    ];
}

/// Where boot data come from.
#[derive(Clone, Debug, PartialEq)]
pub enum BootSource {
    /// An entry of BSS v1.
    Parameters(Arc<BootParametersEntry>),
    /// A boot configuration.
    Configuration(Arc<BootConfiguration>),
    /// A boot configuration, and what a rollout that has come to the node makes of it.
    Rollout(Arc<BootConfiguration>, Arc<BootRollout>),
}

/// Something that selects a node.
#[derive(Clone, Debug, PartialEq)]
pub struct BootMatch {
    /// By what.
    pub class: BootClass,
    /// What it is.
    pub source: BootSource,
    /// The image that it names: what is booted instead of a kernel and an initrd of its own.
    pub image: Option<Arc<Image>>,
}

/// What a node boots.
#[derive(Clone, Debug, PartialEq)]
pub struct BootChoice {
    /// What decides.
    pub winner: BootMatch,
    /// What the winner is merged with, in order; the last is the only one that does not merge, if there is one.
    pub merged: Vec<BootMatch>,
    /// The kernel parameters of all of them, and of the image; `None` when one stands alone.
    merged_params: Option<String>,
}

/// A word of the kernel parameters, and which match it is from (0: the winner, then the merged ones).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamWord<'a> {
    /// The word.
    pub word: &'a str,
    /// Place of its match.
    pub from: usize,
    /// It is a parameter of that match's image.
    pub of_image: bool,
}

impl BootSource {
    /// URL of the kernel that it names itself; empty for an image.
    pub fn kernel(&self) -> &str {
        match self {
            BootSource::Parameters(entry) => &entry.kernel,
            BootSource::Configuration(configuration) => &configuration.kernel,
            BootSource::Rollout(_, rollout) => &rollout.kernel,
        }
    }

    /// URL of the initrd that it names itself; empty for none, and for an image.
    pub fn initrd(&self) -> &str {
        match self {
            BootSource::Parameters(entry) => &entry.initrd,
            BootSource::Configuration(configuration) => &configuration.initrd,
            BootSource::Rollout(_, rollout) => &rollout.initrd,
        }
    }

    /// Name of the image that stands for both; empty for none.
    pub fn image(&self) -> &str {
        match self {
            BootSource::Parameters(_) => "",
            BootSource::Configuration(configuration) => &configuration.image,
            BootSource::Rollout(_, rollout) => &rollout.image,
        }
    }

    /// Kernel parameters, of this source alone.
    pub fn params(&self) -> &str {
        match self {
            BootSource::Parameters(entry) => &entry.params,
            BootSource::Configuration(configuration) => &configuration.params,
            BootSource::Rollout(_, rollout) => &rollout.params,
        }
    }

    /// Key or name.
    pub fn name(&self) -> &str {
        match self {
            BootSource::Parameters(entry) => &entry.key,
            BootSource::Configuration(configuration) | BootSource::Rollout(configuration, _) => {
                &configuration.name
            }
        }
    }

    /// Boot parameters have that of a configuration which names none.
    pub fn priority(&self) -> u32 {
        match self {
            BootSource::Parameters(_) => BOOT_PRIORITY_DEFAULT,
            BootSource::Configuration(configuration) | BootSource::Rollout(configuration, _) => {
                priority(configuration)
            }
        }
    }

    /// Whether its parameters are added to those of the next match.
    pub fn merges(&self) -> bool {
        match self {
            BootSource::Parameters(_) => false,
            BootSource::Configuration(configuration) => configuration.merge_params,
            BootSource::Rollout(_, rollout) => rollout.merge_params,
        }
    }

    /// Whether it is this configuration, as it is or as a rollout makes it.
    pub fn is_configuration(&self, name: &str) -> bool {
        !matches!(self, BootSource::Parameters(_)) && self.name() == name
    }

    /// Whether both are the same object of one state.
    pub(crate) fn is_same(&self, other: &BootSource) -> bool {
        match (self, other) {
            (BootSource::Parameters(one), BootSource::Parameters(other)) => Arc::ptr_eq(one, other),
            (BootSource::Configuration(one), BootSource::Configuration(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl BootMatch {
    /// Boot data that name no image.
    pub fn without_image(class: BootClass, source: BootSource) -> BootMatch {
        BootMatch {
            class,
            source,
            image: None,
        }
    }

    /// Boot parameters come before configurations of the same priority: what BSS's clients set is what a node gets.
    pub fn order(&self) -> (BootClass, Reverse<u32>, bool, &str) {
        let is_configuration = !matches!(self.source, BootSource::Parameters(_));
        (
            self.class,
            Reverse(self.source.priority()),
            is_configuration,
            self.source.name(),
        )
    }
}

impl BootChoice {
    /// Every match that takes part, the winner first.
    pub fn parts(&self) -> impl Iterator<Item = &BootMatch> {
        std::iter::once(&self.winner).chain(&self.merged)
    }

    /// The match whose kernel and initrd are booted: the first that has a kernel, else the winner.
    pub fn booted(&self) -> &BootMatch {
        let with_kernel = self.parts().find(|part| part.has_kernel());
        with_kernel.unwrap_or(&self.winner)
    }

    /// Kernel parameters.
    pub fn params(&self) -> &str {
        let alone = || match self.winner.source.params() {
            "" => self.winner.image_params(),
            params => params,
        };
        self.merged_params.as_deref().unwrap_or_else(alone)
    }

    /// BSS's referral token; empty for what is no entry of BSS v1.
    pub fn referral_token(&self) -> &str {
        match &self.booted().source {
            BootSource::Parameters(entry) => &entry.referral_token,
            BootSource::Configuration(_) | BootSource::Rollout(..) => "",
        }
    }

    /// Words of the parameters with their origin: of each match its own, which go before those of its image, and the image's
    /// only where it is booted.
    pub fn words(&self) -> Vec<ParamWord<'_>> {
        let booted = self.parts().position(BootMatch::has_kernel);
        let params = self.parts().enumerate().flat_map(|(from, part)| {
            let of_image = match booted {
                Some(place) if place == from => part.image_params(),
                _ => "",
            };
            [(from, false, part.source.params()), (from, true, of_image)]
        });
        words(params)
    }

    /// Whether several parameters make the line.
    fn is_merged(&self) -> bool {
        !self.merged.is_empty()
            || (!self.winner.source.params().is_empty() && !self.winner.image_params().is_empty())
    }
}

/// The one decision: the first match wins whole, unless it merges; then the next ones take part up to the first that
/// does not merge. Boot parameters without a kernel boot nothing, so they count only where nothing else matches.
pub fn choose(matches: impl Iterator<Item = BootMatch>) -> Option<BootChoice> {
    let is_bare = |found: &BootMatch| {
        matches!(found.source, BootSource::Parameters(_)) && found.source.kernel().is_empty()
    };
    let mut bare = None;
    let mut rest = matches.filter_map(|found| {
        if is_bare(&found) {
            bare = Some(found);
            return None;
        }
        Some(found)
    });
    let winner = rest.next();
    let mut merged: Vec<BootMatch> = Vec::new();
    if let Some(winner) = &winner {
        let mut merges = winner.source.merges();
        while merges && merged.len() + 1 < MERGED_MAX {
            let Some(next) = rest.next() else { break };
            merges = next.source.merges();
            merged.push(next);
        }
    }
    drop(rest);
    let winner = winner.or(bare)?;
    let mut choice = BootChoice {
        winner,
        merged,
        merged_params: None,
    };
    if choice.is_merged() {
        choice.merged_params = Some(line(&choice.words()));
    }
    Some(choice)
}

fn line(words: &[ParamWord<'_>]) -> String {
    let words: Vec<&str> = words.iter().map(|word| word.word).collect();
    words.join(" ")
}

/// The words of several parameters (place of the match, whether they are its image's, the line), the most specific given first:
/// the least specific come first in the line, and a word whose key (before `=`) a more specific one has gives way to it.
fn words<'a>(params: impl Iterator<Item = (usize, bool, &'a str)>) -> Vec<ParamWord<'a>> {
    let (mut taken, mut parts) = (BTreeSet::new(), Vec::new());
    for (from, of_image, params) in params {
        let words = split_words(params).filter(|word| !word.is_empty());
        let kept = words.filter(|word| !taken.contains(key_of(word)));
        let word = |word| ParamWord { word, from, of_image };
        let kept: Vec<_> = kept.map(word).collect();
        taken.extend(kept.iter().map(|kept| key_of(kept.word)));
        parts.push(kept);
    }
    parts.into_iter().rev().flatten().collect()
}

/// As the kernel splits its parameters: at blanks, but for those between double quotes.
fn split_words(params: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    params.split(move |c: char| {
        is_quoted ^= c == '"';
        c == ' ' && !is_quoted
    })
}

fn key_of(word: &str) -> &str {
    word.split_once('=').map_or(word, |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word in a quoted value is no parameter of its own, and must not give way to one.
    #[test]
    fn what_is_quoted_is_one_word() {
        let lines = ["quiet root=a", "dyndbg=\"file a.c quiet +p\" root=b  ro"];
        let merged = words(lines.into_iter().map(|line| (0, false, line)));
        let merged: Vec<&str> = merged.iter().map(|word| word.word).collect();
        assert_eq!(merged, ["dyndbg=\"file a.c quiet +p\"", "ro", "quiet", "root=a"]);
    }
}
