//! Alert episodes of real, labelled series: how many notifications are left, and how many of the
//! labelled anomalies are still told.
