//! `/boot/v1/bootparameters`, method by method: what is stored under which key, and the status codes of BSS v1.

use crate::common::{cut_off, http_status, seeded, xname};
use bss::BootParametersService;
use proto::bss::v1::boot_parameters_service_server::BootParametersService as _;
use proto::bss::v1::{BootParameters, BootParametersChange, CloudInit, ListBootParametersRequest};
use raft::Store;
use tonic::{Code, Request, Response, Status};

const MAC: &str = "02:00:00:00:00:01";
const UNKNOWN_MAC: &str = "02:00:00:00:00:99";

fn service(store: &Store) -> BootParametersService {
    BootParametersService::new(store.clone(), None)
}

fn body() -> BootParameters {
    BootParameters {
        params: "console=ttyS0".into(),
        kernel: "http://i/k?a=1&b=2".into(),
        initrd: "http://i/i".into(),
        ..BootParameters::default()
    }
}

fn hosts(hosts: &[&str]) -> BootParameters {
    BootParameters {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        ..body()
    }
}

fn macs(macs: &[&str]) -> BootParameters {
    BootParameters {
        macs: macs.iter().map(|mac| (*mac).to_owned()).collect(),
        ..body()
    }
}

fn nids(nids: &[i64]) -> BootParameters {
    BootParameters {
        nids: nids.to_vec(),
        ..body()
    }
}

/// Makes a body bad.
type Change = fn(&mut BootParameters);

type Changed = Result<Response<BootParametersChange>, Status>;

async fn create(store: &Store, body: BootParameters) -> Changed {
    service(store).create_boot_parameters(Request::new(body)).await
}

async fn replace(store: &Store, body: BootParameters) -> Changed {
    service(store).replace_boot_parameters(Request::new(body)).await
}

async fn update(store: &Store, body: BootParameters) -> Changed {
    service(store).update_boot_parameters(Request::new(body)).await
}

async fn delete(store: &Store, body: BootParameters) -> Changed {
    service(store).delete_boot_parameters(Request::new(body)).await
}

/// What is found, without the revisions.
async fn list(store: &Store, request: ListBootParametersRequest) -> Result<Vec<BootParameters>, Status> {
    let answer = service(store).list_boot_parameters(Request::new(request)).await?;
    let items = answer.into_inner().items.into_iter();
    Ok(items.map(|item| BootParameters { meta: None, ..item }).collect())
}

fn keys(store: &Store) -> Vec<String> {
    store
        .state()
        .bss
        .entries()
        .map(|entry| entry.key.clone())
        .collect()
}

fn query(name: &[&str], mac: &[&str], nid: &[&str]) -> ListBootParametersRequest {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    ListBootParametersRequest {
        name: owned(name),
        mac: owned(mac),
        nid: owned(nid),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_create_answers_with_its_token_in_the_header() {
    let store = seeded().await;
    let answer = create(&store, hosts(&["X0C0S0B0N00"])).await.unwrap();
    let token = answer
        .metadata()
        .get("http-header-bss-referral-token")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(answer.get_ref().referral_token, token);
    assert_eq!(answer.get_ref().revision, store.state().applied_index());
    let entry = store.state().bss.entry("x0c0s0b0n0").unwrap();
    assert_eq!(entry.referral_token, token);
    assert_eq!(
        (entry.params.as_str(), entry.kernel.as_str()),
        ("console=ttyS0", "http://i/k?a=1&b=2")
    );
}

/// A MAC or NID that SMD knows means its node; another one is kept as it is until then.
#[tokio::test]
async fn macs_and_nids_are_stored_under_the_node_that_has_them() {
    let store = seeded().await;
    create(&store, macs(&[MAC, "02:00:00:00:00:02", UNKNOWN_MAC]))
        .await
        .unwrap();
    create(&store, nids(&[3, 77])).await.unwrap();
    assert_eq!(
        keys(&store),
        [UNKNOWN_MAC, "nid77", "x0c0s0b0n0", "x0c0s0b0n1", "x0c0s0b0n2"]
    );
}

/// Parameters that came before the node are changed where they are, so that nothing shadows the change.
#[tokio::test]
async fn an_entry_is_changed_where_it_is() {
    let store = seeded().await;
    crate::common::put(&store, MAC, "old").await;
    replace(&store, nids(&[1])).await.unwrap();
    assert_eq!(keys(&store), [MAC]);
    assert_eq!(store.state().bss.entry(MAC).unwrap().params, "console=ttyS0");
    delete(
        &store,
        BootParameters {
            nids: vec![1],
            ..BootParameters::default()
        },
    )
    .await
    .unwrap();
    assert!(keys(&store).is_empty());
}

#[tokio::test]
async fn the_first_of_hosts_macs_and_nids_counts() {
    let store = seeded().await;
    let all = BootParameters {
        hosts: vec![xname(0)],
        macs: vec!["02:00:00:00:00:02".into()],
        nids: vec![3],
        ..body()
    };
    create(&store, all).await.unwrap();
    assert_eq!(keys(&store), ["x0c0s0b0n0"]);
    let rest = BootParameters {
        macs: vec!["02:00:00:00:00:02".into()],
        nids: vec![3],
        ..body()
    };
    create(&store, rest).await.unwrap();
    assert_eq!(keys(&store), ["x0c0s0b0n0", "x0c0s0b0n1"]);
}

#[tokio::test]
async fn a_create_of_what_exists_is_a_bad_request_in_the_words_of_the_caller() {
    let store = seeded().await;
    create(&store, hosts(&["x0c0s0b0n0"])).await.unwrap();
    let cases = [
        (hosts(&["x0c0s0b0n1", "x0c0s0b0n0"]), "x0c0s0b0n0"),
        (macs(&[MAC]), MAC),
        (nids(&[1]), "1"),
    ];
    for (body, named) in cases {
        let no = create(&store, body).await.unwrap_err();
        assert_eq!(no.message(), format!("Bad Request: Already exists: {named}"));
        assert_eq!(
            (no.code(), http_status(&no).as_deref()),
            (Code::AlreadyExists, Some("400"))
        );
    }
    assert_eq!(keys(&store), ["x0c0s0b0n0"], "all or nothing");
}

#[tokio::test]
async fn a_create_takes_only_nodes_as_hosts() {
    let store = seeded().await;
    for host in [
        "Default",
        "Compute",
        "Unknown-x86_64",
        "Global",
        "x0c0s0b0",
        "nonsense",
        "",
    ] {
        let no = create(&store, hosts(&[host])).await.unwrap_err();
        assert_eq!(no.code(), Code::InvalidArgument);
        assert!(
            no.message().starts_with("Bad Request: hosts: "),
            "{}",
            no.message()
        );
    }
    for host in ["default", "compute", "unknown-x86_64", "Global"] {
        replace(&store, hosts(&[host])).await.unwrap();
    }
    assert_eq!(keys(&store), ["Compute", "Default", "Global", "Unknown-x86_64"]);
}

#[tokio::test]
async fn macs_are_written_with_colons() {
    let store = seeded().await;
    for mac in [
        "02-00-00-00-00-01",
        "020000000001",
        "02:00:00:00:00",
        "nonsense",
        "",
    ] {
        for no in [
            create(&store, macs(&[mac])).await,
            replace(&store, macs(&[mac])).await,
            update(&store, macs(&[mac])).await,
        ] {
            let no = no.unwrap_err();
            assert_eq!(no.code(), Code::InvalidArgument, "{mac}");
            assert!(
                no.message().starts_with("Bad Request: macs: "),
                "{}",
                no.message()
            );
        }
    }
    let no = create(&store, nids(&[-1])).await.unwrap_err();
    assert_eq!(no.message(), "Bad Request: nids: -1 is negative");
}

/// A stored text must never become a script line or an iPXE command of its own.
#[tokio::test]
async fn values_that_would_change_the_script_are_refused() {
    let store = seeded().await;
    let before = store.state().applied_index();
    let cases: [(&str, Change); 10] = [
        ("params", |b| b.params = "quiet\nreboot".into()),
        ("params", |b| b.params = "quiet\r".into()),
        ("params", |b| b.params = "quiet || shell".into()),
        ("params", |b| b.params = "quiet && shell".into()),
        ("params", |b| b.params = "quiet ; shell".into()),
        ("params", |b| b.params = "quiet #".into()),
        ("kernel", |b| b.kernel = "http://i/k\nreboot".into()),
        ("kernel", |b| b.kernel = "http://i/k evil".into()),
        ("initrd", |b| b.initrd = "http://i/i\u{0}".into()),
        ("initrd", |b| b.initrd = "http://i/a b".into()),
    ];
    for (field, change) in cases {
        let mut body = hosts(&["x0c0s0b0n0"]);
        change(&mut body);
        for no in [
            create(&store, body.clone()).await,
            replace(&store, body.clone()).await,
            update(&store, body).await,
        ] {
            let no = no.unwrap_err();
            assert_eq!(no.code(), Code::InvalidArgument);
            assert!(
                no.message().starts_with(&format!("Bad Request: {field}: ")),
                "{}",
                no.message()
            );
        }
    }
    assert_eq!(
        store.state().applied_index(),
        before,
        "refused before it took a place in the log"
    );
    assert!(keys(&store).is_empty());
    let harmless = BootParameters {
        params: "ds=nocloud;s=http://s/ a#b x=||".into(),
        ..hosts(&["x0c0s0b0n0"])
    };
    create(&store, harmless).await.unwrap();
}

#[tokio::test]
async fn oversized_values_are_refused() {
    let store = seeded().await;
    let long = BootParameters {
        params: "p".repeat(100_000),
        ..hosts(&["x0c0s0b0n0"])
    };
    let no = create(&store, long).await.unwrap_err();
    assert_eq!(
        (no.code(), http_status(&no).as_deref()),
        (Code::ResourceExhausted, Some("413"))
    );
}

/// BSS answers these as if it had stored something; there is nothing to store.
#[tokio::test]
async fn an_empty_body_changes_nothing() {
    let store = seeded().await;
    let before = store.state().applied_index();
    let empty = BootParameters::default;
    for answer in [
        create(&store, empty()).await,
        replace(&store, empty()).await,
        update(&store, empty()).await,
        delete(&store, empty()).await,
    ] {
        let answer = answer.unwrap();
        assert_eq!(
            (
                answer.get_ref().revision,
                answer.get_ref().referral_token.as_str()
            ),
            (before, "")
        );
    }
    assert_eq!(store.state().applied_index(), before);
    let params_only = BootParameters {
        params: "x".into(),
        ..BootParameters::default()
    };
    assert_eq!(
        replace(&store, params_only).await.unwrap().get_ref().revision,
        before
    );
}

/// Parameters of an image would be dropped in silence otherwise.
#[tokio::test]
async fn a_body_about_an_image_alone_is_refused() {
    let store = seeded().await;
    for no in [
        create(&store, body()).await,
        replace(&store, body()).await,
        update(&store, body()).await,
    ] {
        let no = no.unwrap_err();
        assert_eq!(no.code(), Code::InvalidArgument);
        assert!(
            no.message().contains("name hosts, macs or nids"),
            "{}",
            no.message()
        );
    }
}

#[tokio::test]
async fn a_replace_creates_or_replaces_with_a_new_token() {
    let store = seeded().await;
    let first = replace(&store, hosts(&["x0c0s0b0n0"]))
        .await
        .unwrap()
        .into_inner();
    let other = BootParameters {
        params: "other".into(),
        initrd: String::new(),
        ..hosts(&["x0c0s0b0n0"])
    };
    let second = replace(&store, other).await.unwrap().into_inner();
    assert_ne!(first.referral_token, second.referral_token);
    let entry = store.state().bss.entry("x0c0s0b0n0").unwrap();
    assert_eq!((entry.params.as_str(), entry.initrd.as_str()), ("other", ""));
}

#[tokio::test]
async fn an_update_overwrites_what_it_has_and_needs_an_entry() {
    let store = seeded().await;
    create(&store, hosts(&["x0c0s0b0n0"])).await.unwrap();
    let token = store
        .state()
        .bss
        .entry("x0c0s0b0n0")
        .unwrap()
        .referral_token
        .clone();
    let patch = BootParameters {
        kernel: "http://i/new".into(),
        macs: vec![MAC.into()],
        ..BootParameters::default()
    };
    update(&store, patch).await.unwrap();
    let entry = store.state().bss.entry("x0c0s0b0n0").unwrap();
    assert_eq!(
        (entry.kernel.as_str(), entry.params.as_str()),
        ("http://i/new", "console=ttyS0")
    );
    assert_eq!(entry.referral_token, token, "the boot that knows it goes on");
    let no = update(&store, hosts(&["x0c0s0b0n1"])).await.unwrap_err();
    assert_eq!((no.code(), http_status(&no)), (Code::NotFound, None));
    assert_eq!(
        no.message(),
        "Not Found: Error looking up x0c0s0b0n1: Key /params/x0c0s0b0n1 does not exist"
    );
}

#[tokio::test]
async fn a_delete_removes_everything_it_names_or_nothing() {
    let store = seeded().await;
    create(&store, hosts(&["x0c0s0b0n0", "x0c0s0b0n1", "x0c0s0b0n2"]))
        .await
        .unwrap();
    let missing = BootParameters {
        hosts: vec![xname(0), xname(3)],
        ..BootParameters::default()
    };
    let no = delete(&store, missing).await.unwrap_err();
    assert_eq!(
        no.message(),
        "Key x0c0s0b0n3 deletion: Key /params/x0c0s0b0n3 does not exist"
    );
    assert_eq!(
        (no.code(), http_status(&no).as_deref()),
        (Code::NotFound, Some("400"))
    );
    assert_eq!(keys(&store).len(), 3);
    let all = BootParameters {
        hosts: vec![xname(0)],
        macs: vec!["02:00:00:00:00:02".into()],
        nids: vec![3],
        ..BootParameters::default()
    };
    delete(&store, all).await.unwrap();
    assert!(keys(&store).is_empty());
}

#[tokio::test]
async fn a_deleted_image_leaves_every_entry_that_boots_it() {
    let store = seeded().await;
    create(&store, hosts(&["x0c0s0b0n0"])).await.unwrap();
    delete(
        &store,
        BootParameters {
            initrd: "http://i/i".into(),
            ..BootParameters::default()
        },
    )
    .await
    .unwrap();
    let entry = store.state().bss.entry("x0c0s0b0n0").unwrap();
    assert_eq!(
        (entry.kernel.as_str(), entry.initrd.as_str()),
        ("http://i/k?a=1&b=2", "")
    );
    let no = delete(
        &store,
        BootParameters {
            kernel: "http://nobody".into(),
            ..BootParameters::default()
        },
    )
    .await
    .unwrap_err();
    assert_eq!(
        (no.message(), http_status(&no).as_deref()),
        ("no such kernel: http://nobody", Some("400"))
    );
}

/// What GET shows can be sent back with PUT.
#[tokio::test]
async fn a_list_shows_one_item_per_key_in_the_field_it_belongs_to() {
    let store = seeded().await;
    for body in [
        hosts(&["x0c0s0b0n0", "Default"]),
        macs(&[UNKNOWN_MAC]),
        nids(&[77]),
    ] {
        replace(&store, body).await.unwrap();
    }
    let items = list(&store, ListBootParametersRequest::default()).await.unwrap();
    assert_eq!(
        items,
        [
            macs(&[UNKNOWN_MAC]),
            hosts(&["Default"]),
            nids(&[77]),
            hosts(&["x0c0s0b0n0"])
        ]
    );
    let empty = list(&Store::in_memory(), ListBootParametersRequest::default())
        .await
        .unwrap();
    assert!(empty.is_empty(), "all of nothing is no error");
}

/// What is asked for by name is told whole, in the order of the question.
#[tokio::test]
async fn all_entries_come_in_pages() {
    let store = seeded().await;
    for body in [
        hosts(&["x0c0s0b0n0", "Default"]),
        macs(&[UNKNOWN_MAC]),
        nids(&[77]),
    ] {
        replace(&store, body).await.unwrap();
    }
    let mut request = ListBootParametersRequest {
        page_size: 3,
        ..Default::default()
    };
    let lister = service(&store);
    let answer = lister.list_boot_parameters(Request::new(request.clone())).await;
    let answer = answer.unwrap().into_inner();
    assert_eq!(answer.items.len(), 3);
    request.page_token = answer.next_page_token;
    let rest = list(&store, request.clone()).await.unwrap();
    assert_eq!(rest, [hosts(&["x0c0s0b0n0"])]);
    let named = ListBootParametersRequest {
        page_size: 1,
        ..query(&["x0c0s0b0n0,Default"], &[], &[])
    };
    assert_eq!(list(&store, named).await.unwrap().len(), 2);
}

/// BSS takes the question as a body too; ignoring it would answer with everybody's parameters.
#[tokio::test]
async fn a_list_is_asked_for_by_body_too() {
    let store = seeded().await;
    for body in [hosts(&["x0c0s0b0n0"]), macs(&[UNKNOWN_MAC]), nids(&[77])] {
        replace(&store, body).await.unwrap();
    }
    let ask = async |filter| {
        let request = ListBootParametersRequest {
            filter: Some(filter),
            ..Default::default()
        };
        list(&store, request).await
    };
    for body in [hosts(&["x0c0s0b0n0"]), macs(&[UNKNOWN_MAC]), nids(&[77])] {
        let question = BootParameters {
            hosts: body.hosts.clone(),
            macs: body.macs.clone(),
            nids: body.nids.clone(),
            ..Default::default()
        };
        assert_eq!(ask(question).await.unwrap(), [body]);
    }
    let nobody = BootParameters {
        hosts: vec!["x9c0s0b0n0".to_owned()],
        ..Default::default()
    };
    assert_eq!(ask(nobody).await.unwrap_err().code(), Code::NotFound);
    let nothing = ask(BootParameters::default()).await.unwrap_err();
    assert_eq!(
        (nothing.code(), nothing.message()),
        (Code::InvalidArgument, "No specified data requested")
    );
}

/// BSS shows an image that is booted alone, and before the entries.
#[tokio::test]
async fn images_are_asked_for_by_body() {
    let store = seeded().await;
    replace(&store, hosts(&["Default"])).await.unwrap();
    let image = |kernel: &str, initrd: &str| BootParameters {
        kernel: kernel.to_owned(),
        initrd: initrd.to_owned(),
        ..BootParameters::default()
    };
    let ask = async |filter| {
        let request = ListBootParametersRequest {
            filter: Some(filter),
            ..Default::default()
        };
        list(&store, request).await
    };
    let kernel = body().kernel;
    let both = ask(image(&kernel, "http://i/i")).await.unwrap();
    assert_eq!(both, [image(&kernel, ""), image("", "http://i/i")]);
    let with_host = BootParameters {
        hosts: vec!["Default".into()],
        ..image(&kernel, "http://i/other")
    };
    assert_eq!(
        ask(with_host).await.unwrap(),
        [image(&kernel, ""), hosts(&["Default"])]
    );
    let none = ask(image("http://i/other", "http://i/other")).await.unwrap_err();
    assert_eq!(
        (none.code(), none.message()),
        (
            Code::NotFound,
            "Cannot find boot parameters for requested kernel or initrd"
        )
    );
}

#[tokio::test]
async fn cloud_init_data_is_given_back_as_it_came() {
    let store = seeded().await;
    let text = prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue("a\nb".into())),
    };
    let meta_data = prost_types::Struct {
        fields: [("k".to_owned(), text)].into_iter().collect(),
    };
    let cloud_init = Some(CloudInit {
        meta_data: Some(meta_data),
        ..CloudInit::default()
    });
    let body = BootParameters {
        cloud_init,
        ..hosts(&["x0c0s0b0n0"])
    };
    create(&store, body.clone()).await.unwrap();
    assert_eq!(
        list(&store, query(&["x0c0s0b0n0"], &[], &[])).await.unwrap(),
        [body]
    );
}

#[tokio::test]
async fn a_query_finds_entries_by_every_name_of_their_node_once() {
    let store = seeded().await;
    create(&store, hosts(&["x0c0s0b0n0", "x0c0s0b0n1"]))
        .await
        .unwrap();
    replace(&store, hosts(&["Default"])).await.unwrap();
    let first = [hosts(&["x0c0s0b0n0"])];
    for request in [
        query(&["X0c0s0b0n0"], &[], &[]),
        query(&[], &[MAC], &[]),
        query(&[], &["02-00-00-00-00-01"], &[]),
        query(&[], &[], &["1"]),
        query(&["x0c0s0b0n0"], &[MAC], &["1"]),
    ] {
        assert_eq!(list(&store, request).await.unwrap(), first);
    }
    let both = query(&["x0c0s0b0n1,x0c0s0b0n0", "x0c0s0b0n1"], &[], &[]);
    assert_eq!(
        list(&store, both).await.unwrap(),
        [hosts(&["x0c0s0b0n1"]), hosts(&["x0c0s0b0n0"])]
    );
    assert_eq!(
        list(&store, query(&["Default"], &[], &[])).await.unwrap(),
        [hosts(&["Default"])]
    );
}

#[tokio::test]
async fn a_query_without_a_hit_is_not_found_in_the_words_of_bss() {
    let store = seeded().await;
    replace(&store, hosts(&["Default"])).await.unwrap();
    let text = "Cannot find boot parameters for requested ";
    let cases = [
        (query(&["x0c0s0b0n0"], &[MAC], &["1"]), "Hosts, MACs or NIDs"),
        (query(&[], &[UNKNOWN_MAC], &["77"]), "MACs or NIDs"),
        (query(&["x0c0s0b0n0"], &[], &[]), "Hosts"),
    ];
    for (request, kinds) in cases {
        let no = list(&store, request).await.unwrap_err();
        assert_eq!(
            (no.code(), no.message().to_owned()),
            (Code::NotFound, format!("{text}{kinds}"))
        );
    }
    let no = list(&store, query(&[], &[], &["1,seven"])).await.unwrap_err();
    assert_eq!(
        (no.code(), no.message()),
        (Code::InvalidArgument, "Bad Request - Invalid nid 'seven'")
    );
    assert_eq!(
        list(&store, query(&[], &["zz"], &[])).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

/// Nothing is said to be stored that a majority has not stored.
#[tokio::test]
async fn without_a_majority_changes_are_unavailable() {
    let store = seeded().await;
    create(&store, hosts(&["x0c0s0b0n0"])).await.unwrap();
    let store = cut_off(&store);
    for no in [
        create(&store, hosts(&["x0c0s0b0n1"])).await,
        replace(&store, macs(&[MAC])).await,
        update(&store, nids(&[1])).await,
        delete(&store, hosts(&["x0c0s0b0n0"])).await,
        delete(&store, macs(&[MAC])).await,
    ] {
        let no = no.unwrap_err();
        assert_eq!(no.code(), Code::Unavailable);
        assert!(no.metadata().get(rpc::RETRY_AFTER_S).is_some());
    }
}
