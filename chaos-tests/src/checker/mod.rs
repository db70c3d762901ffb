//! Was there an order? A history of concurrent reads and writes of registers, and the search for one order of them that
//! explains every answer and in which nothing comes before what had ended before it began (linearizability).
//!
//! After Wing and Gong's search with Lowe's memory of what was tried; registers are judged one by one, which is enough:
//! a history is linearizable if that of each object is.

mod history;
mod register;

pub use history::{History, Kind, Operation};
pub use register::{Verdict, judge};

#[cfg(test)]
mod brute_force_test;
