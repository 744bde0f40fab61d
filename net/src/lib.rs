//! filch-net
