//! What the document says that no descriptor has: the paths without a method, problems, how callers prove who they are.

use serde_json::{Value, json};

/// What holds for all routes.
pub(crate) const ABOUT: &str = "\
HTTP/JSON of a Chamois cluster: HSM v2, BSS v1, cloud-init, power-control v1 and OAuth 2.0 as OpenCHAMI's services have them, \
and more of the same kind. Every member answers every request; the same methods are there over gRPC (`x-chamois-method`).

- `/apis/smd/hsm/v2`, `/apis/bss/boot/v1` and `/cloud-init-secure` stand for `/hsm/v2`, `/boot/v1` and `/cloud-init`; one `/` behind a \
path is taken off. A path is written in one way: `.`, `..` and what is encoded without need are refused (400).
- Names of a query and keys of a body are found in any case; unknown ones are ignored. `null` is as if the key was not there.
- Without a Content-Type a body is JSON.
- Values that are empty are left out of answers, unless `x-chamois-always-present` is said.
- An answer with an `ETag` is not sent again to who has it (`If-None-Match`: 304). `If-Match` guards a change (412).
- `Chamois-Consistency: local` asks for this member's own state, at once; otherwise a read sees every write before it.
- `Idempotency-Key` makes a write that is sent twice one write. `Accept-Encoding` may say `gzip` or `zstd`.
- `x-chamois-permission` is what a role must give; `x-chamois-caller` who may call at all. A `node` is known by its address, on the \
plain HTTP port.
- Errors are problems (RFC 7807). 503 and 504 have a `Retry-After`.";

/// Probes, and this document.
pub(crate) fn paths() -> Value {
    let text =
        json!({ "description": "Yes", "content": { "text/plain": { "schema": { "type": "string" } } } });
    let verbose = json!({
        "name": "verbose", "in": "query", "schema": { "type": "boolean" }, "allowEmptyValue": true,
        "description": "Lists every check.",
    });
    let role = json!({
        "name": "role", "in": "query", "schema": { "type": "string" },
        "description": "A role of this member, e.g. `boot`: whether nodes should be sent to it for that.",
    });
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    let probe = |id: &str, summary: &str, parameters: Value| {
        json!({ "get": {
            "operationId": id, "summary": summary, "tags": ["probes"], "security": [], "parameters": parameters,
            "responses": { "200": text, "503": problem, "default": problem },
        } })
    };
    json!({
        "/livez": probe("livez", "Whether this member is alive", json!([verbose])),
        "/readyz": probe("readyz", "Whether this member should get requests", json!([verbose, role])),
        "/openapi.json": { "get": {
            "operationId": "openapi", "summary": "This document", "tags": ["probes"], "security": [],
            "responses": {
                "200": { "description": "OpenAPI 3.1", "content": { "application/json": { "schema": { "type": "object" } } } },
                "304": { "description": "The client has it already" },
                "default": problem,
            },
        } },
    })
}

/// Every refusal.
pub(crate) fn responses() -> Value {
    json!({ "Problem": {
        "description": "Why it was refused, and what to do",
        "headers": { "Retry-After": { "schema": { "type": "integer" }, "description": "Seconds; with 429, 503 and 504" } },
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    } })
}

/// RFC 7807, with members of our own.
pub(crate) fn problem() -> Value {
    json!({
        "type": "object",
        "description": "RFC 7807; members that are not listed may be added.",
        "required": ["type", "title", "detail", "status"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string", "description": "The status in words" },
            "detail": { "type": "string", "description": "What happened: which field, what is accepted" },
            "status": { "type": "integer" },
            "etag": { "type": "string", "description": "The object's current ETag, where another one was expected" },
            "reason": { "type": "string", "description": "One word for programs, as `google.rpc.ErrorInfo` has it" },
            "errors": {
                "type": "array",
                "description": "The fields that are not accepted",
                "items": {
                    "type": "object",
                    "required": ["field", "description"],
                    "properties": {
                        "field": { "type": "string" },
                        "description": { "type": "string", "description": "What is wrong, and what is accepted" },
                    },
                },
            },
            "retry_after_s": { "type": "integer", "description": "When a repeat makes sense, as `Retry-After` has it" },
        },
    })
}

/// How callers prove who they are.
pub(crate) fn security_schemes() -> Value {
    json!({
        "token": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "Of `POST /oauth/token`, `chamois login` or `chamois token`.",
        },
        "certificate": {
            "type": "mutualTLS",
            "description": "Of `chamois certificate issue`, signed by the cluster's CA.",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of `gateway/src/problem.rs`, whose own test has them from an answer.
    #[test]
    fn a_problem_has_every_member_that_the_gateway_writes() {
        let problem = problem();
        let members = problem["properties"].as_object().unwrap();
        for member in [
            "type",
            "title",
            "detail",
            "status",
            "etag",
            "reason",
            "errors",
            "retry_after_s",
        ] {
            assert!(members.contains_key(member), "{member}: {problem}");
        }
        assert_eq!(members.len(), 8, "{problem}");
    }
}
