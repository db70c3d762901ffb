//! Scans and crawls of BMCs that run in this process, over plain HTTP: trees of several vendors' shapes, whole and broken.

mod crawls;
mod mutations;
mod mutator;
mod real_trees;
mod scans;
mod server;
mod trees;
