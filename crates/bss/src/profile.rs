//! What a profile puts in the place of what a node boots, for a test.

use std::borrow::Cow;
use std::sync::Arc;

use model::Xname;
use proto::bss::v1::{BootConfiguration, BootParametersEntry};
use state::{BootChoice, BootClass, BootMatch, BootSource, State};

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
        let choice = self.choice.as_ref();
        let booted = choice.map(BootChoice::booted);
        let first = |variant: &String, stored: Option<Cow<'_, str>>| match variant.is_empty() {
            true => stored.unwrap_or_default().into_owned(),
            false => variant.clone(),
        };
        let kernel = first(&profile.kernel, booted.map(BootMatch::kernel));
        let initrd = first(&profile.initrd, booted.map(BootMatch::initrd));
        let params = first(&profile.params, choice.map(|choice| choice.params().into()));
        // with other parameters alone it is the image still, whose own come first and whose signatures are checked
        let is_of_image = profile.kernel.is_empty() && profile.initrd.is_empty();
        let image = booted.and_then(|booted| booted.image.clone());
        let image = image.filter(|_| is_of_image);
        let source = match booted.map(|booted| &booted.source) {
            // its referral token stands in the script
            Some(BootSource::Parameters(entry)) => BootSource::Parameters(Arc::new(BootParametersEntry {
                kernel,
                initrd,
                params,
                ..entry.as_ref().clone()
            })),
            _ => BootSource::Configuration(Arc::new(BootConfiguration {
                name: format!("profile {}", profile.name),
                kernel,
                initrd,
                params,
                ..BootConfiguration::default()
            })),
        };
        let choice = state::choose(std::iter::once(BootMatch {
            class: BootClass::Own,
            source,
            image,
        }));
        let asks_arch = self.asks_arch && profile.kernel.is_empty();
        Found {
            choice,
            asks_arch,
            ..self
        }
    }
}
