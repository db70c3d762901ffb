//! Every target's files through the programs they are for: `CHAMOIS_E2E=1`, root. The checks are the targets' own, those that
//! `chamois configure apply` runs; a program that has none is started. Each is given a damaged file, too, and must refuse it.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

#[path = "../common/cases.rs"]
mod cases;
#[path = "../common/inventory.rs"]
mod inventory;

mod checks;
mod conman;
mod names;
mod slurm;
mod stage;
