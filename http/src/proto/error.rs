//! Why is a request refused, and what is the client told?
//!
//! One small enum of reasons; each has a status and a sentence that goes into the answer's body and the log.
//! Rejected: an error type per module (the caller does one thing with all of them: answer and close), and the
//! offending bytes in the error (they belong to the attacker; a log is the wrong place for them).

use http::StatusCode;
use std::fmt;

/// Why a request is refused. After any of these the connection closes: where the next request would begin is
/// unknown, or the client is not to be trusted with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// More than [`EMPTY_LINES_MAX`](super::limits::EMPTY_LINES_MAX) empty lines before a request line.
    EmptyLines,
    /// The method is not a token, or missing.
    Method,
    /// The method is longer than any that exists.
    MethodTooLong,
    /// The method is none that this server knows.
    MethodUnknown,
    /// The request target holds a byte that no target may hold, or is of a form its method does not allow.
    Target,
    /// The request target is longer than the limit.
    TargetTooLong,
    /// The request line does not end in an HTTP version.
    Version,
    /// The version is neither 1.0 nor 1.1.
    VersionUnsupported,
    /// A line ends in LF without CR, or holds a CR without LF.
    LineEnd,
    /// A field name is empty, or is not a token followed at once by a colon.
    FieldName,
    /// A field value holds NUL or another control.
    FieldValue,
    /// A field is continued on the next line (obs-fold).
    Fold,
    /// More fields than the limit.
    TooManyFields,
    /// The head, or a field name in it, is longer than the limit.
    HeadTooLarge,
    /// A request of HTTP/1.1 without `Host`.
    HostMissing,
    /// More than one `Host`.
    HostRepeated,
    /// A `Host` that is not a host and an optional port.
    Host,
    /// A `Host` that is another one than that of an absolute target.
    HostOther,
    /// A `Content-Length` that is not a plain decimal number, or does not fit 64 bits.
    ContentLength,
    /// More than one `Content-Length`, equal or not.
    ContentLengthRepeated,
    /// Both `Content-Length` and `Transfer-Encoding`.
    LengthAndCoding,
    /// `Transfer-Encoding` in a request of HTTP/1.0.
    CodingInOldVersion,
    /// `Transfer-Encoding` that is malformed, repeats `chunked`, or does not end in it.
    TransferEncoding,
    /// A transfer coding that this server does not decode.
    CodingUnsupported,
    /// A body where none may be: with CONNECT or TRACE, or in a response that never has one.
    BodyForbidden,
    /// `Connection` names a field that says where the message ends or whom it is for.
    ConnectionOption,
    /// A response that switches protocols, though the request did not ask for it.
    SwitchUnasked,
    /// The body is longer than the limit.
    BodyTooLarge,
    /// The size of a chunk is not 1 to 16 hexadecimal digits, or something else than CR LF or an extension follows it.
    ChunkSize,
    /// An extension of a chunk is malformed.
    ChunkExtension,
    /// The line with the size of a chunk is longer than the limit.
    ChunkLineTooLong,
    /// The chunks of a body are mostly something else than data.
    ChunkOverhead,
    /// The data of a chunk is not followed by CR LF: its size is wrong.
    ChunkEnd,
    /// A trailer that only a head may have.
    TrailerForbidden,
    /// More trailers than the limit, or longer ones.
    TrailersTooLarge,
    /// An expectation other than `100-continue`.
    Expectation,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The body did not arrive in time.
    BodyTimeout,
}

impl Refusal {
    /// The status that says so.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::EmptyLines
            | Self::Method
            | Self::Target
            | Self::Version
            | Self::LineEnd
            | Self::FieldName
            | Self::FieldValue
            | Self::Fold
            | Self::HostMissing
            | Self::HostRepeated
            | Self::Host
            | Self::ContentLength
            | Self::ContentLengthRepeated
            | Self::LengthAndCoding
            | Self::CodingInOldVersion
            | Self::TransferEncoding
            | Self::HostOther
            | Self::BodyForbidden
            | Self::ConnectionOption
            | Self::ChunkSize
            | Self::ChunkExtension
            | Self::ChunkLineTooLong
            | Self::ChunkOverhead
            | Self::ChunkEnd
            | Self::TrailerForbidden => StatusCode::BAD_REQUEST,
            Self::HeadTimeout | Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::TooManyFields | Self::HeadTooLarge | Self::TrailersTooLarge => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            // Only a response is refused for it, and whoever asked gets it through somebody in between.
            Self::SwitchUnasked => StatusCode::BAD_GATEWAY,
            Self::MethodTooLong | Self::MethodUnknown | Self::CodingUnsupported => {
                StatusCode::NOT_IMPLEMENTED
            }
            Self::VersionUnsupported => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// The sentence for the client.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::EmptyLines => "too many empty lines before the request line",
            Self::Method => "the method is not a token",
            Self::MethodTooLong => "the method is too long",
            Self::MethodUnknown => "the method is unknown",
            Self::Target => "the request target is malformed",
            Self::TargetTooLong => "the request target is too long",
            Self::Version => "the request line does not end in an HTTP version",
            Self::VersionUnsupported => "only HTTP/1.0 and HTTP/1.1 are spoken here",
            Self::LineEnd => "a line does not end in CR LF",
            Self::FieldName => "a field name is malformed",
            Self::FieldValue => "a field value holds a control character",
            Self::Fold => "a field is continued on the next line",
            Self::TooManyFields => "too many fields",
            Self::HeadTooLarge => "the head is too large",
            Self::HostMissing => "Host is missing",
            Self::HostRepeated => "Host is repeated",
            Self::Host => "Host is malformed",
            Self::HostOther => "Host is another one than the target's",
            Self::BodyForbidden => "a body where none may be",
            Self::ConnectionOption => "Connection names a field that is needed to read the message",
            Self::SwitchUnasked => "protocols are switched, though nobody asked for it",
            Self::ContentLength => "Content-Length is malformed",
            Self::ContentLengthRepeated => "Content-Length is repeated",
            Self::LengthAndCoding => "Content-Length and Transfer-Encoding exclude each other",
            Self::CodingInOldVersion => "HTTP/1.0 has no Transfer-Encoding",
            Self::TransferEncoding => "Transfer-Encoding is malformed",
            Self::CodingUnsupported => "this transfer coding is not supported",
            Self::BodyTooLarge => "the body is too large",
            Self::ChunkSize => "the size of a chunk is malformed",
            Self::ChunkExtension => "an extension of a chunk is malformed",
            Self::ChunkLineTooLong => "the extensions of a chunk are too long",
            Self::ChunkOverhead => "the chunks have more framing than data",
            Self::ChunkEnd => "the data of a chunk does not end in CR LF",
            Self::TrailerForbidden => "a trailer that only the head of a message may have",
            Self::TrailersTooLarge => "the trailers are too large",
            Self::Expectation => "only 100-continue can be expected",
            Self::HeadTimeout => "the head of the request did not arrive in time",
            Self::BodyTimeout => "the body of the request did not arrive in time",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Refusal {}
