//! Writes pages from what was sampled and attributed, under native and DCGM's names.
