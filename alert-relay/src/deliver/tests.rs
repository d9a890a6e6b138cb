//! Against the fakes.
