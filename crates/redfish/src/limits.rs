//! How much of a BMC is believed: bounds on time, size, number and depth.

use std::time::Duration;

/// Bounds on one BMC. What exceeds one is [`crate::Error::Limit`] or [`crate::Error::Timeout`]; in a reading of the inventory it
/// is a problem of that resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in flight at this BMC at once, and connections to it.
    pub requests_in_flight: usize,
    /// For TCP and TLS together.
    pub connect: Duration,
    /// For one request, from sending it to the last byte of its answer.
    pub answer: Duration,
    /// For opening, and again for reading an inventory: what is not read by then is missing from it.
    pub total: Duration,
    /// Resources held of it.
    pub resources_max: usize,
    /// Bytes of one answer.
    pub resource_bytes_max: usize,
    /// Bytes of all resources held, with an allowance for each value in them.
    pub bytes_max: usize,
    /// Links that are followed one after another: pages of one collection.
    pub depth_max: usize,
    /// Objects and lists inside one another in an answer.
    pub json_depth_max: usize,
    /// Redirects of one request; only within the same host.
    pub redirects_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            requests_in_flight: 5,
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            total: Duration::from_secs(120),
            resources_max: 20_000,
            resource_bytes_max: 4 << 20,
            bytes_max: 64 << 20,
            depth_max: 16,
            json_depth_max: 64,
            redirects_max: 3,
        }
    }
}
