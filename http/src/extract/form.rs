//! How does a handler take a form?

use super::FromRequest;
use super::body::{BodyRejection, WithinLimit, collect, is_empty};
use super::media::{self, Media};
use super::pairs::{self, PairsError};
use super::rejection::rejection;
use crate::request::Request;
use http::StatusCode;
use serde_core::de::DeserializeOwned;
use std::fmt;

/// The body of a request as a form (`application/x-www-form-urlencoded`): what browsers send for a `<form method=post>` without
/// files. What they send with `method=get` is a [`Query`](super::Query). The rules for names and values are the same.
///
/// A body that does not say that it is a form is answered with 415, one that cannot be decoded with 400, and one that is
/// something else than was asked for with 422.
///
/// # Units and limits
///
/// [`FORM_MAX_BYTES`], unless it is [`Limited`](super::Limited); then 413. [`PAIRS_MAX`](super::PAIRS_MAX) names and values.
///
/// # Examples
///
/// ```
/// use filch_http::{Form, Router};
///
/// #[derive(serde::Deserialize)]
/// struct Login {
///     name: String,
///     password: String,
/// }
///
/// let router = Router::new().post("/login", async |Form(login): Form<Login>| format!("Hello, {}!", login.name));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form<T>(pub T);

/// Longest body that is taken as a form unless it is [`Limited`](super::Limited), in bytes: 2 MiB, which is a long text in
/// each of many fields.
pub const FORM_MAX_BYTES: u64 = 2 * 1024 * 1024;

/// Why a body is not the form that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormRejection {
    /// The request has neither a body nor a word about it.
    Absent,
    /// It does not say that its body is a form.
    NotAForm,
    /// The body cannot be had.
    Body(BodyRejection),
    /// The body is not UTF-8.
    NotUtf8,
    /// The form is not what was asked for.
    Value(PairsError),
}

impl FormRejection {
    /// 415, 400 or 422, or what the body's rejection says; 500 when it is not the client's fault.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Absent | Self::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(rejection) => rejection.status(),
            Self::NotUtf8 | Self::Value(PairsError::Encoding(_) | PairsError::TooMany) => {
                StatusCode::BAD_REQUEST
            }
            Self::Value(error) if error.is_ours() => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Value(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl fmt::Display for FormRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent | Self::NotAForm => f.write_str(
                "the request does not say `Content-Type: application/x-www-form-urlencoded`",
            ),
            Self::Body(rejection) => rejection.fmt(f),
            Self::NotUtf8 => f.write_str("the form is not UTF-8"),
            Self::Value(error) => write!(f, "in the form: {error}"),
        }
    }
}

rejection!(FormRejection);

impl From<BodyRejection> for FormRejection {
    fn from(rejection: BodyRejection) -> Self {
        Self::Body(rejection)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = FormRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, FormRejection> {
        Self::within(request, state, FORM_MAX_BYTES).await
    }

    fn is_absent(rejection: &FormRejection) -> bool {
        *rejection == FormRejection::Absent
    }
}

impl<S: Sync, T: DeserializeOwned> WithinLimit<S> for Form<T> {
    async fn within(
        mut request: Request,
        _state: &S,
        max_bytes: u64,
    ) -> Result<Self, FormRejection> {
        match media::of(&request, |essence| {
            essence == "application/x-www-form-urlencoded"
        }) {
            Media::Expected => {}
            Media::Unsaid if is_empty(&mut request) => return Err(FormRejection::Absent),
            Media::Unsaid | Media::Other => return Err(FormRejection::NotAForm),
        }
        let body = collect(request, max_bytes).await?;
        let text = std::str::from_utf8(&body).map_err(|_| FormRejection::NotUtf8)?;
        pairs::parse(text).map(Self).map_err(FormRejection::Value)
    }
}
