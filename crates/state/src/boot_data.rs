//! What a node boots, decided by `boot_choice` over what is stored.

use std::sync::Arc;

use boot_choice::{BootChoice, BootData, BootMatch, BootNode, ConfigurationIndex};
use model::Xname;
use proto::boot_file::v1::Image;
use proto::bss::v1::{BootConfiguration, BootParametersEntry, BootRollout};
use proto::smd::v1::Component;
use proto::smd::v1::component::Arch;

use crate::State;

impl BootData for State {
    fn parameters(&self, key: &str) -> Option<Arc<BootParametersEntry>> {
        self.bss.entry(key)
    }

    fn configurations(&self) -> &ConfigurationIndex {
        self.bss.configuration_index()
    }

    fn rollout(&self, configuration: &BootConfiguration, node: &Xname) -> Option<Arc<BootRollout>> {
        self.bss.rollout_of(configuration, node).cloned()
    }

    fn image(&self, name: &str) -> Option<Arc<Image>> {
        self.boot_files.image(name)
    }
}

impl State {
    /// The node that was asked for as `asked` (a key of boot parameters), with what SMD knows of it. `said` is the
    /// architecture that the node claims; the inventory's counts where there is one.
    pub fn boot_node<'a>(
        &'a self,
        asked: &str,
        component: Option<&'a Component>,
        said: Arch,
    ) -> BootNode<'a> {
        let Some(component) = component else {
            return BootNode::unknown(asked, said);
        };
        let xname: Option<Xname> = component.id.parse().ok();
        let groups = xname.iter().flat_map(|xname| self.smd.group_labels_of(xname));
        BootNode::known(asked, said, component, self.macs_of(component), groups)
    }

    /// Keys of boot parameters that name just this node, in the order in which its entry is looked for.
    pub fn boot_names<'a>(
        &'a self,
        asked: &str,
        component: Option<&'a Component>,
    ) -> impl Iterator<Item = String> + use<'a> {
        let macs = move || {
            component
                .map(|component| self.macs_of(component))
                .unwrap_or_default()
        };
        boot_choice::own_names(asked.to_owned(), component, macs)
    }

    /// The boot parameters of BSS v1 that apply to a node.
    pub fn boot_parameters(&self, asked: &str, component: Option<&Component>) -> Option<BootMatch> {
        let role = component.map_or("", |component| &component.role);
        boot_choice::parameters_of(self, self.boot_names(asked, component), role)
    }

    /// What a node boots.
    pub fn boot_choice(&self, asked: &str, component: Option<&Component>, said: Arch) -> Option<BootChoice> {
        let parameters = self.boot_parameters(asked, component);
        boot_choice::choice_of(self, parameters, || self.boot_node(asked, component, said))
    }

    /// What selects a node, each once, in the order in which it wins. `parameters` is the entry of BSS v1 that applies to it.
    pub fn boot_matches<'a>(
        &'a self,
        node: &'a BootNode<'a>,
        parameters: Option<BootMatch>,
    ) -> impl Iterator<Item = BootMatch> + use<'a> {
        boot_choice::matches(self, node, parameters)
    }

    /// Whether what the node boots depends on its architecture, which nobody knows.
    pub fn depends_on_arch(&self, node: &BootNode<'_>, parameters: Option<BootMatch>) -> bool {
        boot_choice::depends_on_arch(self, node, parameters)
    }

    /// MACs of a node's interfaces, sorted.
    fn macs_of(&self, component: &Component) -> Vec<String> {
        let Ok(xname) = component.id.parse::<Xname>() else {
            return Vec::new();
        };
        let interfaces = self.smd.interfaces_of(&xname);
        interfaces
            .map(|interface| interface.mac_address.clone())
            .collect()
    }
}
