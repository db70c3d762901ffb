//! Somebody who writes all the time and repeats a write once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::grown::{Grown, run};

/// Exit code of a group that is there: the first attempt was applied.
const THERE: i32 = 4;

/// Groups `load-0`, `load-1`, … one after the other, each through any of five members.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    writer: JoinHandle<Vec<String>>,
}

impl Load {
    /// `repeats`: whether a write may fail once.
    pub(crate) fn start(cluster: &Grown, repeats: bool) -> Load {
        let endpoints: Vec<String> = (1..=5)
            .map(|slot| format!("{}:7441", cluster.net.member_address(slot)))
            .collect();
        let path = |name: &str| cluster.folder(1).join(name).display().to_string();
        let (ca, token) = (path("ca.pem"), path("admin.token"));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let writer = std::thread::spawn(move || {
            let mut written = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let group = format!("load-{}", written.len());
                let mut endpoints = endpoints.clone();
                endpoints.rotate_left(written.len() % 5);
                let endpoints = endpoints.join(",");
                let write = || {
                    run(&[
                        "group",
                        "create",
                        &group,
                        "--endpoints",
                        &endpoints,
                        "--ca",
                        &ca,
                        "--token-file",
                        &token,
                    ])
                };
                let first = write();
                if first.0 != 0 {
                    assert!(repeats, "a write failed: {first:?}");
                    let second = write();
                    assert!(
                        [0, THERE].contains(&second.0),
                        "a write failed twice: {first:?}, then {second:?}"
                    );
                }
                written.push(group);
                counted.store(written.len(), Ordering::Relaxed);
            }
            written
        });
        Load { stop, count, writer }
    }

    /// Writes so far.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// What was acknowledged.
    pub(crate) fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.writer.join().unwrap()
    }
}
