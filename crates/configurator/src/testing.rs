//! Inventories for tests.
