//! What `ochami pcs` and `ochami rcs` send.

use crate::request::{Request, public, token};

/// At the root, as `ochami` finds PCS by default.
pub(crate) const POWER: &[Request] = &[
    public("pcs service status", "GET /readiness", "", 204),
    public("pcs service status", "GET /liveness", "", 204),
    token("pcs service status", "GET /health", "", 200),
    token("pcs status list", "GET /power-status", "", 200),
    token(
        "pcs status show",
        "GET /power-status?xname=x1000c0s0b0n0",
        "",
        200,
    )
    .showing(r#"{"status":[{"xname":"x1000c0s0b0n0""#),
    token(
        "pcs transition start",
        "POST /transitions",
        r#"{"location":[{"xname":"x1000c0s0b0n0"}],"operation":"on","taskDeadlineMinutes":null}"#,
        200,
    )
    .showing(r#""operation":"On""#),
    token("pcs transition list", "GET /transitions", "", 200).showing(r#"{"transitions":[{"transitionID":""#),
    token(
        "pcs transition show",
        "GET /transitions/00000000-0000-0000-0000-000000000000",
        "",
        404,
    ),
    token(
        "pcs transition abort",
        "DELETE /transitions/00000000-0000-0000-0000-000000000000",
        "",
        404,
    ),
    token(
        "pcs, by its gateway's name",
        "GET /power-control/v1/power-status",
        "",
        200,
    )
    .showing(r#"{"status":["#),
];

/// A console is a WebSocket: a plain GET of one is told so.
pub(crate) const CONSOLES: &[Request] = &[
    token("rcs service status", "GET /remote-console/health", "", 200).showing(r#"{"consoles":"1""#),
    token("rcs console list", "GET /remote-console/consoles", "", 200).showing(
        r#"{"consoles":[{"id":"x1000c0s1b0n0","connectionType":"ssh","connectionHost":"172.16.0.20""#,
    ),
    token(
        "rcs console show",
        "GET /remote-console/consoles/x1000c0s1b0n0?mode=tail&follow=false&lines=100",
        "",
        426,
    ),
];
