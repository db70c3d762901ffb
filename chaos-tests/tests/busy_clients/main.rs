//! What the clients of a boot do when they are told to come back later: the real ones, against a server that is busy, and
//! the table in crates/bss/OVERVIEW.md, which must say just that. Counts and the order of requests; no times.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod ipxe;
mod programs;
mod server;
mod table;
mod uefi;

use std::net::TcpListener;
use std::thread::ScopedJoinHandle;

use server::Server;

/// How often the server is busy before it answers, for clients that come back.
const FEW: usize = 3;
/// The same, to see whether a client ever gives up.
const MANY: usize = 20;
/// A port that nobody listens on.
const NOBODY_PORT: u16 = 9;
const NOBODY: &str = "127.0.0.1:9";

/// All clients at the same time: most of it is waiting.
#[test]
fn privileged_what_each_client_does_with_503_is_what_the_table_says() {
    if !chaos_tests::privileged::is_wanted("the clients that are told to come back") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(listener, |_| b"k: v\n".to_vec());
    let wget = ["busybox", "wget", "-q", "-O", "/dev/null"];
    let curl = ["curl", "-sS", "-v", "--retry", "3", "--fail", "-o", "/dev/null"];
    let rows = std::thread::scope(|scope| {
        let ipxe = scope.spawn(|| ipxe::rows(folder));
        let uefi = scope.spawn(|| vec![uefi::row(folder)]);
        let cloud_init = scope.spawn(|| programs::cloud_init(&server, folder));
        let wget = scope.spawn(|| {
            vec![programs::program(
                &server,
                "busybox `wget`",
                &wget,
                "Connection refused",
            )]
        });
        let curl = scope.spawn(|| {
            vec![programs::program(
                &server,
                "`curl --retry 3 --fail`",
                &curl,
                "failed: Connection refused",
            )]
        });
        [ipxe, uefi, cloud_init, wget, curl].map(rows_of).concat()
    });
    table::assert_says(&rows);
}

fn rows_of(client: ScopedJoinHandle<'_, Vec<table::Row>>) -> Vec<table::Row> {
    client
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
