//! BSS's own cloud-init at the root of the nodes' port: `/meta-data`, `/user-data` and `/phone-home`, made of the cloud-init
//! data of boot parameters. BSS makes up another instance-id with each answer, and takes whoever names an address in
//! `X-Forwarded-For` for the node that has it; here the id is the stored one, and the address that of the TCP peer.

use std::fmt::Write as _;
use std::sync::Arc;

use model::Xname;
use proto::bss::v1::{
    BootParametersEntry, BootRecord, BssCommand, HostKey, LegacyMetaDataRequest, LegacyPhoneHomeRequest,
    LegacyUserDataRequest, bss_command, legacy_cloud_init_service_server,
};
use proto::cloud_init::v1::{CloudInitCommand, cloud_init_command};
use proto::google::api::HttpBody;
use proto::raft::v1::entry::Command;
use proto::smd::v1::Component;
use raft::Store;
use rpc::{Caller, Error};
use serde_json::{Map, Value, json};
use state::State;
use tonic::{Request, Response, Status};

use crate::json_data;
use crate::lookup::{self, Asked};

/// Key of the entry whose meta-data every node is shown below this name.
const GLOBAL: &str = "Global";
/// What cloud-init writes for a key that the node has not.
const ABSENT: &str = "N/A";

/// Cloud-init as BSS has it.
#[derive(Clone, Debug)]
pub struct LegacyCloudInitService {
    store: Store,
}

/// Who calls, and the state it was found in.
struct Call {
    xname: Xname,
    address: String,
    component: Arc<Component>,
    state: Arc<State>,
}

impl LegacyCloudInitService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> LegacyCloudInitService {
        LegacyCloudInitService { store }
    }

    /// The node at the address of the TCP peer. That nobody is there is said after a read index only.
    async fn call(&self, caller: &Caller) -> Result<Call, Error> {
        if let Some(call) = found(self.store.state(), caller) {
            return Ok(call);
        }
        self.store.linearize().await?;
        found(self.store.state(), caller).ok_or_else(|| Error::NotFound {
            kind: "node with the address".to_owned(),
            id: caller
                .peer
                .map(|peer| peer.ip().to_canonical().to_string())
                .unwrap_or_default(),
        })
    }

    /// The stored instance-id; the first call of a node has one stored.
    async fn instance_id(&self, call: &Call, principal: &str) -> Result<String, Error> {
        if let Some(instance) = call.state.cloud_init.instance(&call.xname) {
            return Ok(instance.instance_id.clone());
        }
        let node = call.xname.to_string();
        let assign = cloud_init_command::AssignInstanceId { node };
        let change = Some(cloud_init_command::Change::AssignInstanceId(assign));
        let command = Command::CloudInit(CloudInitCommand { change });
        let committed = self.store.propose(principal, command, None).await?;
        Ok(committed.applied.value)
    }
}

fn found(state: Arc<State>, caller: &Caller) -> Option<Call> {
    let address = caller.peer?.ip().to_canonical();
    let interface = state.smd.interface_by_ip(address)?;
    let xname: Xname = interface.component_id.parse().ok()?;
    let component = state.smd.component(&xname).filter(|_| xname.is_node())?;
    Some(Call {
        xname,
        address: address.to_string(),
        component,
        state,
    })
}

impl Call {
    /// The entry that applies to the node, and that of its subrole, whose data stand behind it.
    fn entries(&self) -> [Option<Arc<BootParametersEntry>>; 2] {
        let asked = Asked::Name(self.xname.to_string());
        let own = lookup::entry_of(&self.state, &asked, Some(&self.component));
        let sub_role = Some(&self.component.sub_role).filter(|sub_role| !sub_role.is_empty());
        [sub_role.and_then(|sub_role| self.state.bss.entry(sub_role)), own]
    }

    fn meta_data(&self, instance_id: &str) -> Map<String, Value> {
        let mut merged = Map::new();
        for entry in self.entries().into_iter().flatten() {
            let data = entry.cloud_init.as_ref().and_then(|data| data.meta_data.as_ref());
            json_data::merge(&mut merged, json_data::object(data));
        }
        merged.insert("instance-id".to_owned(), json!(instance_id));
        for (key, value) in [
            ("local-hostname", self.xname.as_str()),
            ("shasta-type", &self.component.role),
            ("shasta-role", &self.component.sub_role),
        ] {
            merged.entry(key).or_insert_with(|| json!(value));
        }
        let global = self.state.bss.entry(GLOBAL);
        let global = global
            .as_ref()
            .and_then(|entry| entry.cloud_init.as_ref()?.meta_data.as_ref());
        merged.insert(GLOBAL.to_owned(), Value::Object(json_data::object(global)));
        merged
    }

    fn user_data(&self) -> Map<String, Value> {
        let mut merged = Map::new();
        for entry in self.entries().into_iter().flatten() {
            let data = entry.cloud_init.as_ref().and_then(|data| data.user_data.as_ref());
            json_data::merge(&mut merged, json_data::object(data));
        }
        let meta_data = self.meta_data("");
        let hostname = meta_data.get("local-hostname").cloned().unwrap_or_default();
        merged.entry("local-hostname").or_insert(hostname);
        merged
    }
}

#[tonic::async_trait]
impl legacy_cloud_init_service_server::LegacyCloudInitService for LegacyCloudInitService {
    #[tracing::instrument(name = "bss.meta_data", skip_all)]
    async fn get_meta_data(
        &self,
        request: Request<LegacyMetaDataRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let caller = rpc::caller(&request);
        let call = self.call(caller).await?;
        let instance_id = self.instance_id(&call, &caller.identity.principal()).await?;
        let document = Value::Object(call.meta_data(&instance_id));
        let shown = match request.get_ref().key.first() {
            None => &document,
            Some(key) => {
                let mut names = key.split('.');
                let value = names.try_fold(&document, |value, name| value.as_object()?.get(name));
                value.ok_or_else(|| Status::not_found("Not Found"))?
            }
        };
        Ok(body("application/json", format!("{shown}\n")))
    }

    #[tracing::instrument(name = "bss.user_data", skip_all)]
    async fn get_user_data(
        &self,
        request: Request<LegacyUserDataRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let call = self.call(rpc::caller(&request)).await?;
        let mut text = "#cloud-config\n".to_owned();
        for (key, value) in &call.user_data() {
            // JSON is YAML that every version of it reads alike
            let _ = writeln!(
                text,
                "{}: {}",
                json_data::yaml(&json!(key)),
                json_data::yaml(value)
            );
        }
        Ok(body("text/yaml", text))
    }

    #[tracing::instrument(name = "bss.phone_home", skip_all)]
    async fn phone_home(
        &self,
        request: Request<LegacyPhoneHomeRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let caller = rpc::caller(&request);
        let call = self.call(caller).await?;
        let form = request.get_ref();
        let record = bss_command::RecordBoot {
            record: Some(record(&call, form)),
        };
        let change = Some(bss_command::Change::RecordBoot(record));
        let command = Command::Bss(BssCommand { change });
        self.store
            .propose(&caller.identity.principal(), command, None)
            .await?;
        let reported = json!({
            "hosts": [call.xname.as_str()],
            "cloud-init": { "phone-home": {
                "pub_key_dsa": form.pub_key_dsa, "pub_key_rsa": form.pub_key_rsa,
                "pub_key_ecdsa": form.pub_key_ecdsa, "pub_key_ed25519": form.pub_key_ed25519,
                "instance_id": form.instance_id, "hostname": form.hostname, "fqdn": form.fqdn,
            } },
        });
        Ok(body("application/json; charset=UTF-8", format!("{reported}\n")))
    }
}

/// `state` checks lengths and characters, and stamps the time.
fn record(call: &Call, form: &LegacyPhoneHomeRequest) -> BootRecord {
    let line = |text: &str| match text.trim() {
        ABSENT => String::new(),
        text => text.to_owned(),
    };
    let keys = [
        ("pub_key_rsa", &form.pub_key_rsa),
        ("pub_key_ecdsa", &form.pub_key_ecdsa),
        ("pub_key_ed25519", &form.pub_key_ed25519),
        ("pub_key_dsa", &form.pub_key_dsa),
    ];
    let host_keys = keys.map(|(name, key)| HostKey {
        name: name.to_owned(),
        key: line(key),
    });
    BootRecord {
        node: call.xname.to_string(),
        instance_id: line(&form.instance_id),
        hostname: line(&form.hostname),
        fqdn: line(&form.fqdn),
        host_keys: host_keys.into_iter().filter(|key| !key.key.is_empty()).collect(),
        address: call.address.clone(),
        ..BootRecord::default()
    }
}

fn body(content_type: &str, text: String) -> Response<HttpBody> {
    Response::new(HttpBody {
        content_type: content_type.to_owned(),
        data: text.into_bytes(),
        extensions: Vec::new(),
    })
}
