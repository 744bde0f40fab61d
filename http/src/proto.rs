//! HTTP/1.1 without I/O: bytes in, events out.
//!
//! Nothing in here knows a socket, reads a clock, or waits. What a peer sent goes in as bytes; what it means comes
//! out as values; what to do about it is said by tables ([`conn::TABLE`], the rules of [`Framing`]). So all of it can
//! be tested, fuzzed and proved without a network, and a client can stand on it as well as a server.
//!
//! | file | question |
//! |---|---|
//! | `cursor` | where does the parser touch memory? (its unsafe, with `simd/x86`) |
//! | `simd` | how many bytes are looked at with one instruction? |
//! | `scan` | which bytes may stand where? |
//! | [`request`] | what does the head of a request say? |
//! | [`response`] | what does the head of a response say? |
//! | `fields` | where are the fields of a head? |
//! | `version` | which version is a message in? |
//! | `target` | is the request target of a form its method allows? |
//! | `framing` | where does the message end? |
//! | [`chunked`] | where is the data in a body that comes in chunks? how is such a body written? |
//! | [`trailers`] | which fields may stand behind a body? |
//! | [`limits`] | how much may a peer ask for? |
//! | [`encode`] | how does a response become bytes? |
//! | `error` | why is a request refused, and what is it told? |
//! | [`conn`] | what may happen next, and what is owed then? |

pub mod chunked;
pub mod conn;
mod cursor;
pub mod encode;
mod error;
mod fields;
pub mod framing;
pub mod limits;
pub mod request;
pub mod response;
mod scan;
mod simd;
mod target;
pub mod trailers;
mod version;

#[cfg(test)]
mod tests;

pub use chunked::ChunkedDecoder;
pub use error::Refusal;
pub use framing::{BodyFraming, Framing};
pub use limits::Limits;
pub use request::{FieldSlot, Head, RequestHead, RequestParser, TargetForm, Version};
pub use response::{BadResponse, ReceivedHead, ReceivedResponse, ResponseParser};
#[doc(hidden)]
pub use simd::Simd;
