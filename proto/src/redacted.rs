//! `Debug` of messages that carry a password, a secret or a token: they say whose they are, and nothing that is secret.

use std::fmt;

use crate::auth::v1::{
    ApiToken, CallbackRequest, CreateApiTokenResponse, IntrospectRequest, LoginSession,
    PutOidcProviderRequest, RevokeRequest, TokenRequest,
};
use crate::cloud_init::v1::{Group, GroupDataRequest, GroupFile, InstanceInfo, NodeDataRequest};
use crate::cluster::v1::{FetchKekResponse, JoinResponse, KeepKekRequest, RotateKekRequest};
use crate::configurator::v1::GeneratedFile;
use crate::discovery::v1::PutBmcCredentialRequest;
use crate::smd::v1::{PatchRedfishEndpointRequest, RedfishEndpointPayload};

impl fmt::Debug for JoinResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinResponse")
            .field("member_id", &self.member_id)
            .field("cluster_name", &self.cluster_name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RotateKekRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotateKekRequest")
            .field("to_id", &self.to_id)
            .field("if_active", &self.if_active)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KeepKekRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepKekRequest")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FetchKekResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchKekResponse").finish_non_exhaustive()
    }
}

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

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Group");
        shown
            .field("name", &self.name)
            .field("description", &self.description)
            .field("file", &self.file)
            .field("secret", &self.secret)
            .field("meta", &self.meta);
        match self.secret {
            true => shown.finish_non_exhaustive(),
            false => shown.field("meta_data", &self.meta_data).finish(),
        }
    }
}

/// A file does not know whether its group is secret, so nobody's content is shown.
impl fmt::Debug for GroupFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupFile")
            .field("bytes", &self.content.len())
            .field("filename", &self.filename)
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for InstanceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("InstanceInfo");
        shown
            .field("id", &self.id)
            .field("instance_id", &self.instance_id)
            .field("local_hostname", &self.local_hostname)
            .field("hostname", &self.hostname)
            .field("cluster_name", &self.cluster_name)
            .field("region", &self.region)
            .field("availability_zone", &self.availability_zone)
            .field("cloud_provider", &self.cloud_provider)
            .field("instance_type", &self.instance_type)
            .field("cloud_init_base_url", &self.cloud_init_base_url)
            .field("public_keys", &self.public_keys)
            .field("secret", &self.secret)
            .field("meta", &self.meta);
        match self.secret {
            true => shown.finish_non_exhaustive(),
            false => shown.field("meta_data", &self.meta_data).finish(),
        }
    }
}

impl fmt::Debug for NodeDataRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeDataRequest")
            .field("ctx", &self.ctx)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for GroupDataRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupDataRequest")
            .field("ctx", &self.ctx)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("grant_type", &self.grant_type)
            .field("scope", &self.scope)
            .field("audience", &self.audience)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for IntrospectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectRequest")
            .field("token_type_hint", &self.token_type_hint)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RevokeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevokeRequest")
            .field("token_type_hint", &self.token_type_hint)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CreateApiTokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateApiTokenResponse")
            .field("id", &self.id)
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiToken")
            .field("id", &self.id)
            .field("principal", &self.principal)
            .field("permissions", &self.permissions)
            .field("expires_at_ms", &self.expires_at_ms)
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LoginSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginSession")
            .field("id", &self.id)
            .field("principal", &self.principal)
            .field("groups", &self.groups)
            .field("client_id", &self.client_id)
            .field("permissions", &self.permissions)
            .field("refreshed_at_ms", &self.refreshed_at_ms)
            .field("expires_at_ms", &self.expires_at_ms)
            .field("provider", &self.provider)
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CallbackRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackRequest")
            .field("iss", &self.iss)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PutOidcProviderRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutOidcProviderRequest")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PutBmcCredentialRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutBmcCredentialRequest")
            .field("scope", &self.scope)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for GeneratedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratedFile")
            .field("target", &self.target)
            .field("path", &self.path)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prost_types::{Struct, Value, value::Kind};

    use super::*;
    use crate::auth::v1::OidcProvider;

    /// `{"key": "c4n4ry"}`.
    fn canary() -> Option<Struct> {
        let kind = Some(Kind::StringValue("c4n4ry".into()));
        Some(Struct {
            fields: [("key".to_owned(), Value { kind })].into(),
        })
    }

    #[test]
    fn what_is_secret_of_cloud_init_is_in_no_debug_output() {
        let group = Group {
            name: "compute".into(),
            file: Some(GroupFile {
                content: "c4n4ry".into(),
                ..GroupFile::default()
            }),
            meta_data: canary(),
            secret: true,
            ..Group::default()
        };
        let info = InstanceInfo {
            id: "compute".into(),
            meta_data: canary(),
            secret: true,
            ..InstanceInfo::default()
        };
        let asked = NodeDataRequest {
            ctx: "compute".into(),
            token: "c4n4ry".into(),
        };
        let file = GroupDataRequest {
            file: "compute".into(),
            token: "c4n4ry".into(),
            ..GroupDataRequest::default()
        };
        for shown in [
            format!("{group:?}"),
            format!("{info:#?}"),
            format!("{asked:?}"),
            format!("{file:?}"),
        ] {
            assert!(shown.contains("compute") && !shown.contains("c4n4ry"), "{shown}");
        }
        let public = InstanceInfo {
            secret: false,
            ..info
        };
        assert!(
            format!("{public:?}").contains("c4n4ry"),
            "what is not secret is shown"
        );
    }

    /// A template that was granted a secret writes it into its file.
    #[test]
    fn what_a_file_says_is_in_no_debug_output() {
        let file = GeneratedFile {
            target: "template:conman".into(),
            path: "conman.conf".into(),
            content: "c4n4ry".into(),
            revision: 7,
        };
        let shown = format!("{file:?}");
        assert!(
            shown.contains("conman.conf") && !shown.contains("c4n4ry"),
            "{shown}"
        );
    }

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
        let credential = PutBmcCredentialRequest {
            scope: "bmc:x0c0s0b0".into(),
            user: "root".into(),
            password: "c4n4ry".into(),
        };
        for shown in [
            format!("{payload:?}"),
            format!("{several:#?}"),
            format!("{patch:?}"),
            format!("{credential:?}"),
        ] {
            assert!(shown.contains("x0c0s0b0") && !shown.contains("c4n4ry"), "{shown}");
        }
    }

    #[test]
    fn what_opens_the_api_is_in_no_debug_output() {
        let canary = || "c4n4ry".to_owned();
        let asked = TokenRequest {
            scope: "compute".into(),
            client_secret: canary(),
            refresh_token: canary(),
            device_code: canary(),
            subject_token: canary(),
            code: canary(),
            code_verifier: canary(),
            authorization: canary(),
            ..TokenRequest::default()
        };
        let introspected = IntrospectRequest {
            token: canary(),
            token_type_hint: "compute".into(),
        };
        let revoked = RevokeRequest {
            token: canary(),
            token_type_hint: "compute".into(),
        };
        let created = CreateApiTokenResponse {
            id: "compute".into(),
            token: canary(),
            expires_at_ms: 1,
        };
        let token = ApiToken {
            id: "compute".into(),
            secret_sha256: b"c4n4ry".to_vec(),
            ..ApiToken::default()
        };
        let session = LoginSession {
            id: "compute".into(),
            refresh_sha256: b"c4n4ry".to_vec(),
            previous_refresh_sha256: b"c4n4ry".to_vec(),
            family_sha256: b"c4n4ry".to_vec(),
            ..LoginSession::default()
        };
        let callback = CallbackRequest {
            iss: "compute".into(),
            code: canary(),
            state: canary(),
            cookie: canary(),
            ..CallbackRequest::default()
        };
        let provider = PutOidcProviderRequest {
            provider: Some(OidcProvider {
                name: "compute".into(),
                ..OidcProvider::default()
            }),
            password: canary(),
            without_secret: false,
        };
        // bytes would be shown as numbers
        for shown in [
            format!("{asked:?}"),
            format!("{introspected:?}"),
            format!("{revoked:?}"),
            format!("{created:?}"),
            format!("{token:#?}"),
            format!("{session:?}"),
            format!("{callback:?}"),
            format!("{provider:?}"),
        ] {
            let hidden = !shown.contains("c4n4ry") && !shown.contains("52");
            assert!(shown.contains("compute") && hidden, "{shown}");
        }
    }
}
