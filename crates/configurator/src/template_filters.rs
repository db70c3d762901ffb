//! Filters that templates have beside those of minijinja.
