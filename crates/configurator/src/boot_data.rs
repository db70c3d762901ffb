//! Boot data as a watch tells them, where `boot_choice` looks things up.

use std::collections::BTreeMap;
use std::sync::Arc;

use boot_choice::ConfigurationIndex;
use model::Xname;
use proto::boot_file::v1::Image;
use proto::bss::v1::{BootConfiguration, BootParametersEntry, BootRollout};

/// Entries of BSS v1, boot configurations with the index of what they select, and the images that they name.
#[derive(Clone, Debug, Default)]
pub(crate) struct BootData {
    parameters: BTreeMap<String, Arc<BootParametersEntry>>,
    configurations: BTreeMap<String, Arc<BootConfiguration>>,
    index: ConfigurationIndex,
    images: BTreeMap<String, Arc<Image>>,
}

impl BootData {
    pub(crate) fn put_parameters(&mut self, key: String, entry: BootParametersEntry) {
        self.parameters.insert(key, Arc::new(entry));
    }

    pub(crate) fn remove_parameters(&mut self, key: &str) {
        self.parameters.remove(key);
    }

    pub(crate) fn put_configuration(&mut self, name: String, configuration: BootConfiguration) {
        self.remove_configuration(&name);
        let configuration = Arc::new(configuration);
        self.index.add(&configuration);
        self.configurations.insert(name, configuration);
    }

    pub(crate) fn remove_configuration(&mut self, name: &str) {
        if let Some(before) = self.configurations.remove(name) {
            self.index.remove(&before);
        }
    }

    pub(crate) fn put_image(&mut self, name: String, image: Image) {
        self.images.insert(name, Arc::new(image));
    }

    pub(crate) fn remove_image(&mut self, name: &str) {
        self.images.remove(name);
    }
}

impl boot_choice::BootData for BootData {
    fn parameters(&self, key: &str) -> Option<Arc<BootParametersEntry>> {
        self.parameters.get(key).cloned()
    }

    fn configurations(&self) -> &ConfigurationIndex {
        &self.index
    }

    /// Whom a rollout has come to is told to nobody who watches.
    fn rollout(&self, _: &BootConfiguration, _: &Xname) -> Option<Arc<BootRollout>> {
        None
    }

    fn image(&self, name: &str) -> Option<Arc<Image>> {
        self.images.get(name).cloned()
    }
}
