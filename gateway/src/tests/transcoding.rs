//! Properties of the two transcoders: no input makes them panic, and odd but legal encodings are read right.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::DescriptorPool;
use proto::smd::v1 as smd;

use crate::request::{Parts, encode};
use crate::response::show;
use crate::routes::{Output, Route, RouteTable};

fn table() -> RouteTable {
    RouteTable::new(&DescriptorPool::decode(proto::DESCRIPTOR).unwrap(), |_| true).unwrap()
}

fn route<'t>(table: &'t RouteTable, method: &str) -> &'t Route {
    table
        .routes()
        .iter()
        .find(|route| route.grpc_path.as_str().ends_with(method))
        .unwrap()
}

fn shown(method: &str, wire: &[u8]) -> String {
    let table = table();
    let route = route(&table, method);
    let shown = show(&table.schema, route.output, None, &Bytes::copy_from_slice(wire)).unwrap();
    String::from_utf8(shown.body.to_vec()).unwrap()
}

fn put(wire: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    encode_key(number, WireType::LengthDelimited, wire);
    encode_varint(bytes.len() as u64, wire);
    wire.extend_from_slice(bytes);
}

/// Encoders may write fields in any order, and the last of several values counts.
#[test]
fn fields_in_any_order_are_shown_in_theirs() {
    let mut wire = Vec::new();
    put(&mut wire, 7, b"Service");
    put(&mut wire, 99, b"of a newer version");
    put(&mut wire, 1, b"x1");
    put(&mut wire, 7, b"Compute");
    encode_key(3, WireType::Varint, &mut wire);
    encode_varint(6, &mut wire);
    assert_eq!(
        shown("/GetComponent", &wire),
        r#"{"ID":"x1","State":"Standby","Role":"Compute"}"#
    );
}

/// A value that this version has no name for must not be lost or taken for another.
#[test]
fn an_unknown_enum_value_is_shown_as_its_number() {
    let component = smd::Component {
        state: 77,
        ..Default::default()
    };
    assert_eq!(
        shown("/GetComponent", &component.encode_to_vec()),
        r#"{"State":77}"#
    );
}

/// prost packs repeated numbers, older encoders need not.
#[test]
fn repeated_numbers_may_be_packed_or_not() {
    let mut item = Vec::new();
    put(&mut item, 3, &[1, 2]);
    encode_key(3, WireType::Varint, &mut item);
    encode_varint(u64::MAX, &mut item);
    let mut wire = Vec::new();
    put(&mut wire, 1, &item);
    assert_eq!(shown("/ListBootParameters", &wire), r#"[{"nids":[1,2,-1]}]"#);
}

/// What does not decode is an error, not a body that looks whole.
#[test]
fn a_cut_off_answer_is_an_error() {
    let table = table();
    let route = route(&table, "/GetComponent");
    let wire = smd::Component {
        id: "x1000".into(),
        ..Default::default()
    }
    .encode_to_vec();
    for end in 1..wire.len() {
        let cut = Bytes::copy_from_slice(&wire[..end]);
        assert!(show(&table.schema, route.output, None, &cut).is_err(), "{end}");
    }
}

/// A free-form value as deep as JSON may be must be readable by every service: prost stops at 100 messages.
#[test]
fn the_deepest_accepted_struct_decodes_as_a_message() {
    let table = table();
    let route = route(&table, "/CreateBootParameters");
    let (open, close) = ("{\"a\":".repeat(29), "}".repeat(29));
    let body = format!(r#"{{"cloud-init":{{"meta-data":{open}1{close}}}}}"#);
    let parts = Parts {
        values: &[],
        query: "",
        says_form: false,
        body: body.as_bytes(),
    };
    let wire = encode(&table.schema, route, parts).unwrap();
    let decoded = proto::bss::v1::BootParameters::decode(&*wire).unwrap();
    assert!(decoded.cloud_init.unwrap().meta_data.is_some());
    let body = format!(r#"{{"cloud-init":{{"meta-data":{open}{{"b":[]}}{close}}}}}"#);
    let refused = encode(
        &table.schema,
        route,
        Parts {
            body: body.as_bytes(),
            ..parts
        },
    )
    .unwrap_err();
    assert!(refused.detail().contains("32"), "{refused:?}");
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
        "on|Ready|X86|12|-1".prop_map(Into::into),
    ];
    let key = prop_oneof![
        "Components|components|ID|id|NID|State|Force|hosts|nids|cloud-init|meta-data|IPAddresses",
        ".{0,6}"
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever a stranger sends, every route answers with bytes or an error.
    #[test]
    fn no_request_panics(body in prop::collection::vec(any::<u8>(), 0..200), query in ".{0,80}", value in ".{0,20}", says_form: bool) {
        let table = table_once();
        for route in table.routes() {
            let values = vec![value.as_str(); route.variables.len()];
            let parts = Parts { values: &values, query: &query, says_form, body: &body };
            if let Err(error) = encode(&table.schema, route, parts) {
                prop_assert!(!error.detail().is_empty());
            }
        }
    }

    /// JSON of the right and the wrong shape alike; what is accepted decodes as the method's message.
    #[test]
    fn accepted_json_is_a_message(json in json()) {
        let table = table_once();
        let body = json.to_string();
        let parts = Parts { values: &[], query: "", says_form: false, body: body.as_bytes() };
        if let Ok(wire) = encode(&table.schema, route(table, "/CreateComponents"), parts) {
            prop_assert!(smd::CreateComponentsRequest::decode(&*wire).is_ok());
        }
        if let Ok(wire) = encode(&table.schema, route(table, "/CreateBootParameters"), parts) {
            prop_assert!(proto::bss::v1::BootParameters::decode(&*wire).is_ok());
        }
    }

    /// Bytes that no service should send are an error or JSON, never a panic or half a document.
    #[test]
    fn no_answer_panics(wire in prop::collection::vec(any::<u8>(), 0..120)) {
        let table = table_once();
        let wire = Bytes::from(wire);
        for route in table.routes() {
            if let Ok(shown) = show(&table.schema, route.output, None, &wire)
                && matches!(route.output, Output::Message(_) | Output::Field(..))
            {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&shown.body).is_ok(), "{shown:?}");
            }
        }
    }

    /// There and back: what is written from a message is read as the same message.
    #[test]
    fn a_component_survives_the_round_trip(
        id in ".{0,12}", role in ".{0,12}", state in 0..=8, flag in 0..=5, nid in any::<Option<u64>>(),
        enabled in any::<Option<bool>>(), locked: bool,
    ) {
        let component = smd::Component { id, role, state, flag, nid, enabled, locked, ..Default::default() };
        let sent = smd::CreateComponentsRequest { components: vec![component.clone(), component], force: false, ..Default::default() };
        let table = table_once();
        let answer = smd::ListComponentsResponse { components: sent.components.clone(), revision: 1, ..Default::default() };
        let output = route(table, "/ListComponents").output;
        let body = show(&table.schema, output, None, &answer.encode_to_vec().into()).unwrap().body;
        let parts = Parts { values: &[], query: "", says_form: false, body: &body };
        let wire = encode(&table.schema, route(table, "/CreateComponents"), parts).unwrap();
        prop_assert_eq!(smd::CreateComponentsRequest::decode(&*wire).unwrap(), sent);
    }
}

fn table_once() -> &'static RouteTable {
    static TABLE: std::sync::OnceLock<RouteTable> = std::sync::OnceLock::new();
    TABLE.get_or_init(table)
}
