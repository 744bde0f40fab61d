//! filch-http
