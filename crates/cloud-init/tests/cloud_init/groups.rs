//! What a node is given because of its groups, the cluster's defaults and its own info.

use crate::common::{
    FIRST, SECOND, add_to_group, cloud_init, cut_off, from, group, put_group, seeded, service, text,
};
use model::BootContext;
use prost_types::{Struct, Value, value::Kind};
use proto::cloud_init::v1::cloud_init_command::{Change, PutInstanceInfo, UpdateClusterDefaults};
use proto::cloud_init::v1::node_data_service_server::NodeDataService as _;
use proto::cloud_init::v1::{
    ClusterDefaults, Group, GroupDataRequest, GroupFile, InstanceInfo, NodeDataRequest,
};
use proto::google::api::HttpBody;
use raft::Store;
use tonic::{Code, Response, Status};

const CONFIG: &str = "#cloud-config\nruncmd: [date]\n";

async fn vendor_data(store: &Store, peer: &str) -> String {
    text(
        service(store)
            .get_vendor_data(from(peer, NodeDataRequest::default()))
            .await,
    )
}

async fn meta_data(store: &Store, peer: &str) -> String {
    text(
        service(store)
            .get_meta_data(from(peer, NodeDataRequest::default()))
            .await,
    )
}

async fn file(store: &Store, peer: &str, file: &str) -> Result<Response<HttpBody>, Status> {
    let request = GroupDataRequest {
        file: file.to_owned(),
        ..GroupDataRequest::default()
    };
    service(store).get_group_data(from(peer, request)).await
}

/// Only groups that have a file are included: each URL costs the node a request.
#[tokio::test]
async fn vendor_data_includes_the_files_of_the_node_s_groups() {
    let store = seeded().await;
    for label in ["io", "compute", "empty"] {
        add_to_group(&store, label).await;
    }
    for name in ["io", "compute", "others"] {
        put_group(&store, group(name, CONFIG)).await;
    }
    let own = vendor_data(&store, FIRST).await;
    assert!(
        own.contains(
            "#include\nhttp://10.97.0.1:8081/cloud-init/compute.yaml\nhttp://10.97.0.1:8081/cloud-init/io.yaml\n--"
        ),
        "{own}"
    );
    assert!(
        own.contains("url: http://10.97.0.1:8081/cloud-init/phone-home/x0c0s0b0n0\n"),
        "{own}"
    );
    assert!(own.starts_with("MIME-Version: 1.0\n"), "{own}");
    let other = vendor_data(&store, SECOND).await;
    assert!(other.starts_with("#cloud-config\nphone_home:\n"), "{other}");
}

/// A member that takes over in the middle of a boot must not answer a group's file from older data.
#[tokio::test]
async fn the_boot_context_goes_on_in_the_included_urls() {
    let store = seeded().await;
    add_to_group(&store, "compute").await;
    put_group(&store, group("compute", CONFIG)).await;
    let context = BootContext {
        revision: 1,
        boot_id: 0xbeef,
    };
    let request = NodeDataRequest {
        ctx: context.to_string(),
        ..Default::default()
    };
    let vendor_data = text(service(&store).get_vendor_data(from(FIRST, request)).await);
    let renewed = BootContext {
        revision: store.state().applied_index(),
        boot_id: 0xbeef,
    };
    let url = format!("\nhttp://10.97.0.1:8081/cloud-init/b/{renewed}/compute.yaml\n");
    assert!(vendor_data.contains(&url), "{vendor_data}");
    let ahead = GroupDataRequest {
        ctx: BootContext {
            revision: renewed.revision + 1,
            ..renewed
        }
        .to_string(),
        file: "compute.yaml".to_owned(),
        ..Default::default()
    };
    let no = service(&store)
        .get_group_data(from(FIRST, ahead))
        .await
        .unwrap_err();
    assert_eq!(no.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_file_is_served_to_members_byte_for_byte() {
    let store = seeded().await;
    for label in ["plain", "encoded", "script", "bare"] {
        add_to_group(&store, label).await;
    }
    let template = "## template: jinja\n#cloud-config\nhostname: {{ v1.x }}";
    put_group(&store, group("plain", template)).await;
    let mut encoded = group("encoded", "I2Nsb3VkLWNvbmZpZwpydW5jbWQ6\nIFtkYXRlXQo=\n");
    encoded.file = encoded.file.map(|file| GroupFile {
        encoding: "base64".to_owned(),
        ..file
    });
    put_group(&store, encoded).await;
    put_group(&store, group("script", "#!/bin/sh\n")).await;
    put_group(
        &store,
        Group {
            name: "bare".to_owned(),
            ..Group::default()
        },
    )
    .await;
    for (name, content_type, content) in [
        ("plain", "text/plain; charset=utf-8", template),
        ("encoded", "text/cloud-config", CONFIG),
        ("script", "text/plain; charset=utf-8", "#!/bin/sh\n"),
        ("bare", "text/cloud-config", "#cloud-config\n"),
    ] {
        let body = file(&store, FIRST, &format!("{name}.yaml"))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            (body.content_type.as_str(), body.data.as_slice()),
            (content_type, content.as_bytes()),
            "{name}"
        );
        let no = file(&store, SECOND, &format!("{name}.yaml")).await.unwrap_err();
        assert_eq!(no.code(), Code::NotFound, "{name}");
        assert!(no.message().contains("x0c0s0b0n1"), "{}", no.message());
    }
    for nonsense in ["plain", ".yaml", "../plain.yaml", "plain.yaml.yaml", "version"] {
        assert_eq!(
            file(&store, FIRST, nonsense).await.unwrap_err().code(),
            Code::NotFound,
            "{nonsense}"
        );
    }
}

/// Another member may have been told of the membership or the file a moment ago.
#[tokio::test]
async fn without_a_majority_files_are_served_and_a_no_becomes_come_back_later() {
    let store = seeded().await;
    for label in ["compute", "empty"] {
        add_to_group(&store, label).await;
    }
    put_group(&store, group("compute", CONFIG)).await;
    let before = vendor_data(&store, FIRST).await;
    let store = cut_off(&store);
    assert_eq!(text(file(&store, FIRST, "compute.yaml").await), CONFIG);
    assert_eq!(vendor_data(&store, FIRST).await, before);
    for (peer, name) in [
        (FIRST, "empty.yaml"),
        (FIRST, "io.yaml"),
        (SECOND, "compute.yaml"),
    ] {
        let no = file(&store, peer, name).await.unwrap_err();
        assert_eq!(no.code(), Code::Unavailable, "{name}: {no:?}");
        assert!(no.metadata().get(rpc::RETRY_AFTER_S).is_some());
    }
}

/// Templates read `ds.meta_data.instance_data.v1.vendor_data.groups.<label>.<key>`.
#[tokio::test]
async fn meta_data_shows_the_groups_with_their_own_data() {
    let store = seeded().await;
    for label in ["io", "compute"] {
        add_to_group(&store, label).await;
    }
    let syslog = Value {
        kind: Some(Kind::StringValue("10.0.0.1".into())),
    };
    let compute = Group {
        description: "cg".to_owned(),
        meta_data: Some(Struct {
            fields: [("syslog".to_owned(), syslog)].into(),
        }),
        ..group("compute", CONFIG)
    };
    put_group(&store, compute).await;
    let own = meta_data(&store, FIRST).await;
    assert!(
        own.ends_with(
            "      groups:\n        compute:\n          Description: cg\n          syslog: \"10.0.0.1\"\n        io:\n          \
             Description: No description Found\n"
        ),
        "{own}"
    );
    assert!(meta_data(&store, SECOND).await.ends_with("      groups: {}\n"));
}

#[tokio::test]
async fn names_keys_and_urls_are_the_node_s_own_before_the_cluster_s() {
    let store = seeded().await;
    add_to_group(&store, "compute").await;
    put_group(&store, group("compute", CONFIG)).await;
    let defaults = ClusterDefaults {
        short_name: "nid".to_owned(),
        nid_length: 3,
        region: "west".to_owned(),
        base_url: "http://head:8081/cloud-init/".to_owned(),
        public_keys: vec!["ssh-rsa A".to_owned()],
        ..ClusterDefaults::default()
    };
    let update = UpdateClusterDefaults {
        defaults: Some(defaults),
        clear: Vec::new(),
        ..Default::default()
    };
    cloud_init(&store, Change::UpdateClusterDefaults(update)).await;
    let info = InstanceInfo {
        id: "x0c0s0b0n0".to_owned(),
        instance_id: "i-mine".to_owned(),
        local_hostname: "login1".to_owned(),
        cloud_init_base_url: "http://other:8081/cloud-init".to_owned(),
        ..InstanceInfo::default()
    };
    cloud_init(
        &store,
        Change::PutInstanceInfo(PutInstanceInfo {
            info: Some(info),
            ..Default::default()
        }),
    )
    .await;
    let own = meta_data(&store, FIRST).await;
    assert!(
        own.starts_with("instance-id: i-mine\nlocal-hostname: login1\nhostname: login1\n"),
        "{own}"
    );
    for line in [
        "    region: west\n",
        "    - ssh-rsa A\n",
        "cloud_init_base_url: http://other:8081/cloud-init\n",
    ] {
        assert!(own.contains(line), "{line}: {own}");
    }
    let second = meta_data(&store, SECOND).await;
    assert!(
        second.contains("\nlocal-hostname: nid002\nhostname: nid002\n"),
        "{second}"
    );
    assert!(
        second.contains("cloud_init_base_url: http://head:8081/cloud-init\n"),
        "{second}"
    );
    // One node's URL must not stick to the next one, as in the service that this replaces.
    let second = vendor_data(&store, SECOND).await;
    assert!(
        second.contains("url: http://head:8081/cloud-init/phone-home/x0c0s0b0n1\n"),
        "{second}"
    );
    let own = vendor_data(&store, FIRST).await;
    assert!(
        own.contains("\nhttp://other:8081/cloud-init/compute.yaml\n"),
        "{own}"
    );
}
