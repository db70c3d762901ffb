//! The four documents: what each node gets, that no header changes it, and what is said without a majority.

use crate::common::{BMC, FIRST, NOBODY, SECOND, add_interface, cut_off, from, seeded, service, text};
use model::BootContext;
use proto::bss::v1::boot_phase::Phase;
use proto::cloud_init::v1::node_data_service_server::NodeDataService as _;
use proto::cloud_init::v1::{CloudInitCommand, InitWireGuardRequest, NodeDataRequest, cloud_init_command};
use proto::dhcp::v1::{DhcpCommand, Subnet, dhcp_command};
use proto::raft::v1::entry::Command;
use raft::Store;
use timeline::{Count, Pace, Reporter};
use tonic::{Code, Request, Status};

fn plain() -> NodeDataRequest {
    NodeDataRequest::default()
}

fn with_context(context: BootContext) -> NodeDataRequest {
    NodeDataRequest {
        ctx: context.to_string(),
        ..Default::default()
    }
}

/// All four answers to one caller, or the first error.
async fn documents(store: &Store, peer: &str) -> Result<[String; 4], Status> {
    let service = service(store);
    let answers = [
        service.get_network_config(from(peer, plain())).await,
        service.get_meta_data(from(peer, plain())).await,
        service.get_user_data(from(peer, plain())).await,
        service.get_vendor_data(from(peer, plain())).await,
    ];
    let mut documents = [const { String::new() }; 4];
    for (document, answer) in documents.iter_mut().zip(answers) {
        *document = text(Ok(answer?));
    }
    Ok(documents)
}

#[tokio::test]
async fn a_node_gets_its_four_documents() {
    let store = seeded().await;
    let [network_config, meta_data, user_data, vendor_data] = documents(&store, FIRST).await.unwrap();
    let instance_id = store
        .state()
        .cloud_init
        .instance(&"x0c0s0b0n0".parse().unwrap())
        .unwrap()
        .instance_id
        .clone();
    assert!(
        network_config.contains("macaddress: \"52:54:00:12:34:56\"\n    dhcp4: true\n"),
        "{network_config}"
    );
    assert_eq!(user_data, "#cloud-config\n");
    assert_eq!(
        vendor_data,
        "#cloud-config\nphone_home:\n  url: http://10.97.0.1:8081/cloud-init/phone-home/x0c0s0b0n0\n  post: all\n  tries: 10\n"
    );
    let expected = format!(
        "instance-id: {instance_id}\nlocal-hostname: de0001\nhostname: de0001\ncluster-name: demo\ninstance_data:\n  v1:\n    \
         instance_id: {instance_id}\n    local_ipv4: \"10.97.3.1\"\n    public_keys: []\n    vendor_data:\n      version: \"1.0\"\n      \
         cloud_init_base_url: http://10.97.0.1:8081/cloud-init\n      nid: 1\n      role: Compute\n      \
         location: x0c0s0b0n0\n      cluster_name: demo\n      groups: {{}}\n"
    );
    assert_eq!(meta_data, expected);
}

#[tokio::test]
async fn content_types_are_those_that_cloud_init_knows() {
    let service = service(&seeded().await);
    let content_type = |answer: Result<tonic::Response<proto::google::api::HttpBody>, Status>| {
        answer.unwrap().into_inner().content_type
    };
    assert_eq!(
        content_type(service.get_meta_data(from(FIRST, plain())).await),
        "application/x-yaml"
    );
    assert_eq!(
        content_type(service.get_network_config(from(FIRST, plain())).await),
        "application/x-yaml"
    );
    assert_eq!(
        content_type(service.get_vendor_data(from(FIRST, plain())).await),
        "text/cloud-config"
    );
}

/// The service that Cloud-Init replaces lets anyone read any node's data by writing a header.
#[tokio::test]
async fn no_header_makes_a_caller_another_node() {
    let store = seeded().await;
    let service = service(&store);
    let spoofed = || {
        let mut request = from(FIRST, plain());
        for header in [
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "client-ip",
            "x-client-ip",
            "true-client-ip",
        ] {
            request.metadata_mut().insert(header, SECOND.parse().unwrap());
        }
        request
    };
    assert!(text(service.get_meta_data(spoofed()).await).contains("location: x0c0s0b0n0\n"));
    assert!(text(service.get_network_config(spoofed()).await).contains("52:54:00:12:34:56"));
    let mut nobody = from(NOBODY, plain());
    nobody
        .metadata_mut()
        .insert("x-forwarded-for", FIRST.parse().unwrap());
    assert_eq!(
        service.get_meta_data(nobody).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn strangers_and_other_components_get_nothing() {
    let store = seeded().await;
    add_interface(&store, "52:54:00:12:34:60", "x9c0s0b0n0", "10.97.3.60").await;
    for peer in [NOBODY, BMC, "10.97.3.60"] {
        let no = documents(&store, peer).await.unwrap_err();
        assert_eq!(no.code(), Code::NotFound, "{peer}");
        assert!(no.message().contains(peer), "{}", no.message());
    }
    let without_address = service(&store)
        .get_meta_data(Request::new(plain()))
        .await
        .unwrap_err();
    assert_eq!(without_address.code(), Code::PermissionDenied);
}

/// The id decides whether cloud-init takes a node for a new one: it must outlive restarts and never differ.
#[tokio::test]
async fn the_instance_id_is_stored_once_and_stays() {
    let store = seeded().await;
    let id = |document: String| {
        document
            .lines()
            .next()
            .unwrap()
            .strip_prefix("instance-id: ")
            .unwrap()
            .to_owned()
    };
    let ask =
        async |store: &Store, peer: &str| id(text(service(store).get_meta_data(from(peer, plain())).await));
    let first = ask(&store, FIRST).await;
    assert!(
        first.len() == 18 && first.starts_with("i-") && first[2..].chars().all(|c| c.is_ascii_hexdigit()),
        "{first}"
    );
    let revision = store.state().applied_index();
    assert_eq!(
        ask(&store, FIRST).await,
        first,
        "a new service object, as after a restart"
    );
    assert_eq!(
        store.state().applied_index(),
        revision,
        "nothing is written the second time"
    );
    assert_ne!(ask(&store, SECOND).await, first);
    // A member that is started from the same state, even without the others.
    assert_eq!(ask(&cut_off(&store), FIRST).await, first);
}

/// Two members asked at once for the same node both propose, and an entry may be replayed: the first id stays.
#[tokio::test]
async fn a_second_proposal_does_not_change_the_id() {
    let store = seeded().await;
    let first = text(service(&store).get_meta_data(from(FIRST, plain())).await);
    let assign = cloud_init_command::AssignInstanceId {
        node: "x0c0s0b0n0".to_owned(),
    };
    let change = Some(cloud_init_command::Change::AssignInstanceId(assign));
    let again = store
        .propose("member/2", Command::CloudInit(CloudInitCommand { change }), None)
        .await
        .unwrap();
    assert_eq!(again.applied.unchanged, ["x0c0s0b0n0"]);
    assert_eq!(
        text(service(&store).get_meta_data(from(FIRST, plain())).await),
        first
    );
}

/// What is stored is served; what a majority would have to say is not made up.
#[tokio::test]
async fn without_a_majority_known_nodes_go_on_and_a_no_becomes_come_back_later() {
    let store = seeded().await;
    let with_majority = documents(&store, FIRST).await.unwrap();
    let store = cut_off(&store);
    assert_eq!(documents(&store, FIRST).await.unwrap(), with_majority);
    let unknown = documents(&store, NOBODY).await.unwrap_err();
    let first_boot = service(&store)
        .get_meta_data(from(SECOND, plain()))
        .await
        .unwrap_err();
    for no in [unknown, first_boot] {
        assert_eq!(no.code(), Code::Unavailable, "{no:?}");
        assert!(no.metadata().get(rpc::RETRY_AFTER_S).is_some());
    }
    assert!(text(service(&store).get_user_data(from(SECOND, plain())).await).starts_with("#cloud-config"));
}

/// The boot stays the same from the script to the phone-home; the revision is that of the answer.
#[tokio::test]
async fn the_boot_context_goes_on_in_the_phone_home_url() {
    let store = seeded().await;
    let request = with_context(BootContext {
        revision: 1,
        boot_id: 0xbeef,
    });
    let vendor_data = text(service(&store).get_vendor_data(from(FIRST, request)).await);
    let renewed = BootContext {
        revision: store.state().applied_index(),
        boot_id: 0xbeef,
    };
    let url = format!("url: http://10.97.0.1:8081/cloud-init/b/{renewed}/phone-home/x0c0s0b0n0\n");
    assert!(vendor_data.contains(&url), "{vendor_data}");
}

#[tokio::test]
async fn a_member_that_is_behind_says_so_and_nonsense_is_refused() {
    let store = seeded().await;
    let ahead = with_context(BootContext {
        revision: store.state().applied_index() + 1,
        boot_id: 1,
    });
    let no = service(&store)
        .get_user_data(from(FIRST, ahead))
        .await
        .unwrap_err();
    assert_eq!(no.code(), Code::Unavailable);
    assert_eq!(no.metadata().get(rpc::RETRY_AFTER_S).unwrap(), "1");
    let nonsense = NodeDataRequest {
        ctx: "../../etc".to_owned(),
        ..Default::default()
    };
    let no = service(&store)
        .get_user_data(from(FIRST, nonsense))
        .await
        .unwrap_err();
    assert_eq!(no.code(), Code::InvalidArgument);
}

/// The boot id is the node's own word, and the bytes are those that it was sent.
#[tokio::test]
async fn what_a_node_fetches_is_noted_as_its_boots_phases() {
    let store = seeded().await;
    let (timeline, reporter) = Reporter::new(store.clone(), 2, Pace::default());
    let service = service(&store).noting_in(timeline);
    let context = BootContext {
        revision: store.state().applied_index(),
        boot_id: 0xab,
    };
    let ask = || from(FIRST, with_context(context));
    let mut bytes = Vec::new();
    bytes.push(text(service.get_network_config(ask()).await).len() as u64);
    bytes.push(text(service.get_meta_data(ask()).await).len() as u64);
    bytes.push(text(service.get_user_data(ask()).await).len() as u64);
    bytes.push(text(service.get_vendor_data(ask()).await).len() as u64);
    service.get_user_data(from(NOBODY, plain())).await.unwrap_err();
    assert_eq!(reporter.counters().get(Count::Seen), 4);
    reporter.run(async {}).await;
    let records = store.state().bss.boot_records(&"x0c0s0b0n0".parse().unwrap());
    assert_eq!(
        (records.len(), records[0].boot_id.as_str()),
        (1, "00000000000000ab")
    );
    let noted = records[0].phases.iter();
    let noted: Vec<_> = noted.map(|seen| (seen.phase(), seen.bytes, seen.told)).collect();
    let phases = [
        Phase::NetworkConfig,
        Phase::MetaData,
        Phase::UserData,
        Phase::VendorData,
    ];
    let expected = phases
        .iter()
        .zip(bytes)
        .map(|(phase, bytes)| (*phase, bytes, true));
    assert_eq!(noted, expected.collect::<Vec<_>>());
}

/// Every NIC is there, in one order; the boot's is the one that the node asks from.
#[tokio::test]
async fn network_config_has_all_nics_of_the_node() {
    let store = seeded().await;
    add_interface(&store, "52:54:00:12:34:51", "x0c0s0b0n0", "10.98.0.5").await;
    add_interface(&store, "52:54:00:12:34:52", "x0c0s0b0n0", "10.99.0.5").await;
    add_interface(&store, "52:54:00:12:34:53", "x0c0s0b0n0", "fd98::5").await;
    let subnet = |network: &str, static_addresses| Subnet {
        network: network.to_owned(),
        static_addresses,
        ..Subnet::default()
    };
    for subnet in [
        subnet("10.98.0.0/16", true),
        subnet("10.99.0.0/16", false),
        subnet("10.97.0.0/16", true),
    ] {
        let put = dhcp_command::PutSubnet { subnet: Some(subnet) };
        let change = Some(dhcp_command::Change::PutSubnet(put));
        let command = Command::Dhcp(DhcpCommand { change });
        store.propose("user/test", command, None).await.unwrap();
    }
    let [network_config, ..] = documents(&store, FIRST).await.unwrap();
    let nic = |mac: &str, rest: &str| {
        let label = format!("nic-{}", mac.replace(':', ""));
        format!("  {label}:\n    match:\n      macaddress: \"{mac}\"\n{rest}    optional: true\n")
    };
    let expected = [
        "version: 2\nethernets:\n  boot:\n    match:\n      macaddress: \"52:54:00:12:34:56\"\n    dhcp4: true\n".to_owned(),
        nic("52:54:00:12:34:51", "    dhcp4: false\n    addresses:\n    - \"10.98.0.5/16\"\n"),
        nic("52:54:00:12:34:52", "    dhcp4: true\n"),
        nic("52:54:00:12:34:53", "    dhcp4: true\n    addresses:\n    - \"fd98::5/64\"\n"),
    ];
    assert_eq!(network_config, expected.concat());
}

/// A client of OpenCHAMI's tunnel is told what there is instead.
#[tokio::test]
async fn a_tunnel_is_not_offered_and_the_answer_says_what_is() {
    let asked = InitWireGuardRequest::default();
    let no = service(&seeded().await)
        .init_wire_guard(from(FIRST, asked))
        .await
        .unwrap_err();
    let status = no.metadata().get(rpc::HTTP_STATUS).unwrap();
    assert_eq!(status, "501");
    assert!(no.message().contains("--secret"), "{}", no.message());
}
