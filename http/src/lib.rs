//! filch-http

pub mod proto;

pub use proto::Limits;
