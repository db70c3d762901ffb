//! `Debug` of requests that carry a password: they say whose request it is, and nothing that was sent.

use std::fmt;

use crate::smd::v1::{PatchRedfishEndpointRequest, RedfishEndpointPayload};

impl fmt::Debug for RedfishEndpointPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedfishEndpointPayload")
            .field("id", &self.id)
            .field("redfish_endpoints", &self.redfish_endpoints)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PatchRedfishEndpointRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatchRedfishEndpointRequest")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_no_debug_output() {
        let payload = RedfishEndpointPayload {
            id: "x0c0s0b0".into(),
            password: "c4n4ry".into(),
            ..Default::default()
        };
        let several = RedfishEndpointPayload {
            redfish_endpoints: vec![payload.clone()],
            ..Default::default()
        };
        let patch = PatchRedfishEndpointRequest {
            id: "x0c0s0b0".into(),
            password: "c4n4ry".into(),
            ..Default::default()
        };
        for shown in [
            format!("{payload:?}"),
            format!("{several:#?}"),
            format!("{patch:?}"),
        ] {
            assert!(shown.contains("x0c0s0b0") && !shown.contains("c4n4ry"), "{shown}");
        }
    }
}
