//! Logins with a certified OpenID provider, npm's `oidc-provider`, that each test starts: browser, device, and what becomes of both
//! when the provider is away.
//!
//! Needs node and npm, which fetches the versions of `package-lock.json`; where that cannot be done the tests are skipped with a
//! line, unless CHAMOIS_E2E=1.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod access_tokens;
mod browser;
mod browser_login;
#[path = "../common/mod.rs"]
mod common;
mod device_login;
mod idp;
#[allow(dead_code, reason = "made for tests of tokens")]
#[path = "../tokens/site.rs"]
mod site;
