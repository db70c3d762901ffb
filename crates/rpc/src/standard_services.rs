//! Health and reflection, the two services that every gRPC client expects to find.

use tonic::service::RoutesBuilder;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::{Builder, Error};

/// Adds `grpc.health.v1` and `grpc.reflection.v1` (of `descriptor`; `proto::DOCUMENTED_DESCRIPTOR`: tools show comments) to the
/// routes of the API port, and returns the handle that says what is healthy. Reflection is there as `v1alpha` too: older `grpcurl`,
/// Postman and `grpc_cli` ask for nothing else.
///
/// # Errors
/// If `descriptor` does not decode.
pub fn add_standard_services(
    routes: &mut RoutesBuilder,
    descriptor: &'static [u8],
) -> Result<HealthReporter, Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    routes
        .add_service(reflection_of(descriptor).build_v1()?)
        .add_service(reflection_of(descriptor).build_v1alpha()?)
        .add_service(health);
    Ok(reporter)
}

/// Both versions tell of the same services, each other included.
fn reflection_of(descriptor: &'static [u8]) -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(descriptor)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        .include_reflection_service(false)
}
