//! Every method of this package's protos has a service behind it.

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
    let config = cloud_init::Config {
        urls: Default::default(),
        timeline: Default::default(),
    };
    let tokens = auth::BootTokens::new(auth::Sealer::generate().unwrap());
    cloud_init::add_services(&mut builder, &Store::in_memory(), &config, &tokens);
    let mut routes = builder.routes();
    let rules = rpc::Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let paths: Vec<&str> = rules
        .iter()
        .map(|(path, _)| path)
        .filter(|path| path.starts_with("/chamois.cloud_init.v1."))
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
        status(&mut routes, "/chamois.cloud_init.v1.NoService/NoMethod")
            .await
            .as_deref(),
        Some(UNIMPLEMENTED)
    );
}
