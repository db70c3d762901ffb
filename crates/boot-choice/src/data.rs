//! Where the decision looks things up.

use std::sync::Arc;

use model::Xname;
use proto::boot_file::v1::Image;
use proto::bss::v1::{BootConfiguration, BootParametersEntry, BootRollout};

use crate::ConfigurationIndex;

/// Boot data of one moment: a member's state, or what a watch has told of one.
pub trait BootData {
    /// The entry of BSS v1 with this key.
    fn parameters(&self, key: &str) -> Option<Arc<BootParametersEntry>>;

    /// Boot configurations by what they select.
    fn configurations(&self) -> &ConfigurationIndex;

    /// The rollout that gives `node` something else than `configuration` says.
    fn rollout(&self, configuration: &BootConfiguration, node: &Xname) -> Option<Arc<BootRollout>>;

    /// The image of this name.
    fn image(&self, name: &str) -> Option<Arc<Image>>;
}
