//! Every method of this package's protos has a service behind it.

use proto::bss::v1::BootParameters;
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use raft::Store;
use tonic::codegen::Service as _;
use tonic::codegen::http::Request;
use tonic::service::Routes;

/// `UNIMPLEMENTED`, as it stands in a response without a message.
const UNIMPLEMENTED: &str = "12";

/// The gRPC status of an empty message to `path`; `None` when the answer begins with a message.
async fn status(routes: &mut Routes, path: &str) -> Option<String> {
    let frame_of_nothing = "\0\0\0\0\0".to_owned();
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .body(tonic::body::Body::new(frame_of_nothing));
    let response = routes.call(request.unwrap()).await.unwrap();
    response
        .headers()
        .get("grpc-status")
        .map(|status| status.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_method_is_served() {
    let mut builder = Routes::builder();
    bss::add_services(
        &mut builder,
        &Store::in_memory(),
        &crate::common::config(bss::RetryDelay::Growing),
        &crate::common::tokens(),
    );
    let mut routes = builder.routes();
    let rules = rpc::Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let paths: Vec<&str> = rules
        .iter()
        .map(|(path, _)| path)
        .filter(|path| path.starts_with("/chamois.bss.v1."))
        .collect();
    assert!(!paths.is_empty());
    for path in paths {
        assert_ne!(
            status(&mut routes, path).await.as_deref(),
            Some(UNIMPLEMENTED),
            "{path}"
        );
    }
    assert_eq!(
        status(&mut routes, "/chamois.bss.v1.NoService/NoMethod")
            .await
            .as_deref(),
        Some(UNIMPLEMENTED)
    );
}

/// The answer must say what to do, not that some decoder has a limit.
#[tokio::test]
async fn a_change_of_nine_megabytes_is_too_large_and_says_so() {
    let mut builder = Routes::builder();
    bss::add_services(
        &mut builder,
        &Store::in_memory(),
        &crate::common::config(bss::RetryDelay::Growing),
        &crate::common::tokens(),
    );
    let mut client = BootParametersServiceClient::new(builder.routes());
    let request = BootParameters {
        hosts: vec!["x0c0s0b0n0".to_owned()],
        params: "x".repeat(9 << 20),
        ..BootParameters::default()
    };
    let refused = client.create_boot_parameters(request).await.unwrap_err();
    let http_status = refused.metadata().get(rpc::HTTP_STATUS);
    assert_eq!(http_status.unwrap(), "413", "{refused:?}");
    assert!(refused.message().contains("limit of"), "{refused:?}");
}
