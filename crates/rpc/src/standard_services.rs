//! Health and reflection, the two services that every gRPC client expects to find.

use tonic::service::RoutesBuilder;
use tonic_health::server::HealthReporter;

/// Adds `grpc.health.v1` and `grpc.reflection.v1` (of `descriptor`; `proto::DOCUMENTED_DESCRIPTOR`: tools show comments) to the routes
/// of the API port, and returns the handle that says what is healthy.
///
/// # Errors
/// If `descriptor` does not decode.
pub fn add_standard_services(
    routes: &mut RoutesBuilder,
    descriptor: &'static [u8],
) -> Result<HealthReporter, tonic_reflection::server::Error> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(descriptor)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let (reporter, health) = tonic_health::server::health_reporter();
    routes.add_service(reflection).add_service(health);
    Ok(reporter)
}
