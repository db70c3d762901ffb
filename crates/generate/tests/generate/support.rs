//! A cluster of one member with a node, and requests of the administrator.

use std::sync::{Arc, Mutex};

use auth::Sealer;
use generate::{GenerateService, SecretLog, TemplateService};
use proto::bss::v1::bss_command::{self, PutBootConfiguration};
use proto::bss::v1::{BootConfiguration, BssCommand};
use proto::configurator::v1::template_service_server::TemplateService as _;
use proto::configurator::v1::{GenerateRequest, GrantTemplateSecretsRequest, PutTemplateRequest, Template};
use proto::discovery::v1::discovery_command::{self, PutCredential};
use proto::discovery::v1::{BmcCredential, DiscoveryCommand};
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{self, CreateComponents, CreateEthernetInterface};
use proto::smd::v1::{Component, EthernetInterface, IpAddressMapping, SmdCommand, component};
use raft::Store;
use state::discovery::credential_secret;
use tonic::{Request, Status};

pub struct Site {
    /// Who was handed which passwords.
    pub shown: Arc<Mutex<Vec<String>>>,
    pub store: Store,
    pub sealer: Sealer,
    pub templates: TemplateService,
    pub files: GenerateService,
}

impl Site {
    pub fn new() -> Site {
        let (store, sealer) = (Store::in_memory(), Sealer::generate().unwrap());
        let shown = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&shown);
        let log = SecretLog::new(move |by, what| written.lock().unwrap().push(format!("{by}: {what}")));
        Site {
            shown,
            templates: TemplateService::new(store.clone()),
            files: GenerateService::new(store.clone(), sealer.clone(), log),
            store,
            sealer,
        }
    }

    /// A node with an address.
    pub async fn node(&self, xname: &str, mac: &str, address: &str) {
        let component = Component {
            id: xname.into(),
            r#type: "Node".into(),
            nid: None,
            state: component::State::On.into(),
            ..Component::default()
        };
        let create = CreateComponents {
            components: vec![component],
            ..CreateComponents::default()
        };
        self.smd(smd_command::Change::CreateComponents(create)).await;
        let interface = EthernetInterface {
            mac_address: mac.into(),
            component_id: xname.into(),
            ip_addresses: vec![IpAddressMapping {
                ip_address: address.into(),
                ..IpAddressMapping::default()
            }],
            ..EthernetInterface::default()
        };
        let create = CreateEthernetInterface {
            interface: Some(interface),
        };
        self.smd(smd_command::Change::CreateEthernetInterface(create))
            .await;
    }

    async fn smd(&self, change: smd_command::Change) {
        let command = Command::Smd(SmdCommand { change: Some(change) });
        self.store.propose("user/admin", command, None).await.unwrap();
    }

    /// A boot configuration.
    pub async fn configure(&self, configuration: BootConfiguration) {
        let put = PutBootConfiguration {
            configuration: Some(configuration),
            ..PutBootConfiguration::default()
        };
        let change = Some(bss_command::Change::PutBootConfiguration(put));
        let command = Command::Bss(BssCommand { change });
        self.store.propose("user/admin", command, None).await.unwrap();
    }

    /// A stored credential.
    pub async fn credential(&self, scope: &str, user: &str, password: &str) {
        let name = credential_secret(scope);
        let sealed = self.sealer.seal(&name, 1, password.as_bytes()).unwrap();
        let put = PutCredential {
            credential: Some(BmcCredential {
                scope: scope.into(),
                user: user.into(),
                meta: None,
            }),
            password: Some(sealed),
        };
        let change = Some(discovery_command::Change::PutCredential(put));
        let command = Command::Discovery(DiscoveryCommand { change });
        self.store.propose("user/admin", command, None).await.unwrap();
    }

    pub async fn put(&self, name: &str, body: &str) -> Result<Template, Status> {
        let request = PutTemplateRequest {
            template: Some(template(name, body)),
            if_revision: None,
        };
        let stored = self.templates.put_template(Request::new(request)).await?;
        Ok(stored.into_inner())
    }

    pub async fn grant(&self, name: &str, secrets: &[&str]) -> Result<Template, Status> {
        let request = GrantTemplateSecretsRequest {
            name: name.into(),
            secrets: secrets.iter().map(ToString::to_string).collect(),
            if_revision: None,
        };
        let stored = self
            .templates
            .grant_template_secrets(Request::new(request))
            .await?;
        Ok(stored.into_inner())
    }
}

pub fn template(name: &str, body: &str) -> Template {
    Template {
        name: name.into(),
        path: format!("etc/{name}"),
        body: body.into(),
        ..Template::default()
    }
}

pub fn asked(target: &str, option: &[&str]) -> Request<GenerateRequest> {
    Request::new(GenerateRequest {
        target: target.into(),
        option: option.iter().map(ToString::to_string).collect(),
    })
}
