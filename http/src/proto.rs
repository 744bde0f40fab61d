//! HTTP/1.1 without I/O: bytes in, events out.
//!
//! Nothing in here knows a socket, reads a clock, or waits. What a peer sent goes in as bytes; what it means comes
//! out as values; what to do about it is said by tables ([`conn::TABLE`], the rules of [`Framing`]). So all of it can
//! be tested, fuzzed and proved without a network, and a client can stand on it as well as a server.
//!
//! | file | question |
//! |---|---|
//! | `cursor` | where does the parser touch memory? (all its unsafe) |
//! | `scan` | which bytes may stand where? |
//! | [`request`] | what does a head say? |
//! | `target` | is the request target of a form its method allows? |
//! | `framing` | where does the message end? |
//! | [`limits`] | how much may a peer ask for? |
//! | [`encode`] | how does a response become bytes? |
//! | `error` | why is a request refused, and what is it told? |
//! | [`conn`] | what may happen next, and what is owed then? |

pub mod conn;
mod cursor;
pub mod encode;
mod error;
pub mod framing;
pub mod limits;
pub mod request;
mod scan;
mod target;

#[cfg(test)]
mod tests;

pub use error::Refusal;
pub use framing::Framing;
pub use limits::Limits;
pub use request::{FieldSlot, Head, RequestHead, RequestParser, TargetForm, Version};
