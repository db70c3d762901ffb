//! What a profile puts in the place of a node's boot parameters, for a test.

use std::sync::Arc;

use model::Xname;
use proto::bss::v1::BootParametersEntry;
use state::State;

use crate::answer::Found;

impl Found {
    /// As the profile has it that applies to the node at `now_ms`, cluster time. What the profile leaves out is as always.
    pub(crate) fn in_profile(self, state: &State, now_ms: u64) -> Found {
        let node = self
            .component
            .as_ref()
            .and_then(|component| component.id.parse::<Xname>().ok());
        let Some(profile) = node.and_then(|node| state.cloud_init.profile_of(&node, now_ms)) else {
            return self;
        };
        let variants = [&profile.kernel, &profile.initrd, &profile.params];
        if variants.iter().all(|variant| variant.is_empty()) {
            return self;
        }
        let before = self.entry.as_deref().cloned().unwrap_or_default();
        let first = |variant: &String, stored: String| match variant.is_empty() {
            true => stored,
            false => variant.clone(),
        };
        let entry = BootParametersEntry {
            kernel: first(&profile.kernel, before.kernel),
            initrd: first(&profile.initrd, before.initrd),
            params: first(&profile.params, before.params),
            ..before
        };
        Found {
            entry: Some(Arc::new(entry)),
            ..self
        }
    }
}
