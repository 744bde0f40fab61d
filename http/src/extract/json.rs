//! How does a handler take JSON, and answer with it?

use super::FromRequest;
use super::body::{BodyRejection, WithinLimit, collect, is_empty};
use super::media::{self, Media};
use super::rejection::rejection;
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use http::StatusCode;
use serde_core::Serialize;
use serde_core::de::DeserializeOwned;
use serde_json::error::Category;
use std::fmt;

/// JSON: as an argument the body of the request, as a result that of the response.
///
/// A body that does not say that it is JSON (`application/json`, or what ends in `+json`) is answered with 415, one that is not
/// with 400, and one that is something else than was asked for with 422; each with the place where it went wrong. A value that
/// cannot be serialized is answered with 500.
///
/// # Units and limits
///
/// [`JSON_MAX_BYTES`], unless it is [`Limited`](super::Limited); then 413. 128 levels.
///
/// # Examples
///
/// ```
/// use filch_http::{Json, Router};
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     item: String,
///     count: u32,
/// }
///
/// #[derive(serde::Serialize)]
/// struct Receipt {
///     price: u32,
/// }
///
/// async fn order(Json(order): Json<Order>) -> Json<Receipt> {
///     Json(Receipt { price: order.count * order.item.len() as u32 })
/// }
///
/// let router = Router::new().post("/orders", order);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// Longest body that is taken as JSON unless it is [`Limited`](super::Limited), in bytes: 2 MiB. What is made of it can need
/// dozens of times as much memory (`[[],[],...]`), which the server's limit for bodies does not know of.
pub const JSON_MAX_BYTES: u64 = 2 * 1024 * 1024;

/// Why a body is not the JSON that was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonRejection {
    /// The request has neither a body nor a word about it.
    Absent,
    /// It does not say that its body is JSON.
    NotJson,
    /// The body cannot be had.
    Body(BodyRejection),
    /// The body is not JSON.
    Syntax(serde_json::Error),
    /// It is JSON, but something else than was asked for.
    Value(serde_json::Error),
}

impl JsonRejection {
    /// 415, 400 or 422, or what the body's rejection says.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Absent | Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(rejection) => rejection.status(),
            Self::Syntax(_) => StatusCode::BAD_REQUEST,
            Self::Value(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl fmt::Display for JsonRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent | Self::NotJson => {
                f.write_str("the request does not say `Content-Type: application/json`")
            }
            Self::Body(rejection) => rejection.fmt(f),
            Self::Syntax(error) => write!(f, "the body is not JSON: {error}"),
            Self::Value(error) => write!(f, "the body is not what is expected: {error}"),
        }
    }
}

rejection!(JsonRejection);

impl From<BodyRejection> for JsonRejection {
    fn from(rejection: BodyRejection) -> Self {
        Self::Body(rejection)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = JsonRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, JsonRejection> {
        Self::within(request, state, JSON_MAX_BYTES).await
    }

    fn is_absent(rejection: &JsonRejection) -> bool {
        matches!(rejection, JsonRejection::Absent)
    }
}

impl<S: Sync, T: DeserializeOwned> WithinLimit<S> for Json<T> {
    async fn within(
        mut request: Request,
        _state: &S,
        max_bytes: u64,
    ) -> Result<Self, JsonRejection> {
        match media::of(&request, is_json) {
            Media::Expected => {}
            Media::Unsaid if is_empty(&mut request) => return Err(JsonRejection::Absent),
            Media::Unsaid | Media::Other => return Err(JsonRejection::NotJson),
        }
        let body = collect(request, max_bytes).await?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|error| match error.classify() {
                Category::Data => JsonRejection::Value(error),
                _ => JsonRejection::Syntax(error),
            })
    }
}

/// RFC 6839, section 3.1, has the suffix.
fn is_json(essence: &str) -> bool {
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(json) => Response::json(json),
            Err(error) => super::rejection::respond(StatusCode::INTERNAL_SERVER_ERROR, &error),
        }
    }
}
