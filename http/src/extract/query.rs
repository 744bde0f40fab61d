//! What does the query say?

use super::FromRequestParts;
use super::pairs::{self, PairsError};
use super::rejection::rejection;
use crate::request::Request;
use http::StatusCode;
use serde_core::de::DeserializeOwned;
use std::fmt;

/// What follows the `?` of the target, as a struct or a map, or as a sequence of pairs.
///
/// A name that comes several times is a sequence (`Vec<T>`), and refused where one value is wanted. What has no value is empty.
/// A target without `?` has a query without names. If `T` cannot be made of that, `Option<Query<T>>` is `None`; a `T` that needs no name (all its fields are `Option`s or have a default) is made, and
/// is what there is to ask. What cannot be decoded, or is not what was asked for, is 400.
///
/// # Units and limits
///
/// [`PAIRS_MAX`](super::PAIRS_MAX) names and values, in the target that the server allows.
///
/// # Examples
///
/// ```
/// use filch_http::{Query, Router};
///
/// #[derive(serde::Deserialize)]
/// struct Search {
///     q: String,
///     page: Option<u32>,
///     #[serde(default)]
///     tag: Vec<String>,
/// }
///
/// // GET /search?q=red+shoes&tag=new&tag=cheap
/// let router = Router::new().get("/search", async |Query(search): Query<Search>| {
///     format!("{} on page {} with {:?}", search.q, search.page.unwrap_or(1), search.tag)
/// });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

/// Why the query is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryRejection {
    error: PairsError,
    is_absent: bool,
}

impl QueryRejection {
    /// What is wrong.
    #[must_use]
    pub fn error(&self) -> &PairsError {
        &self.error
    }

    /// 400, or 500 when it is not the client's fault.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.error.is_ours() {
            true => StatusCode::INTERNAL_SERVER_ERROR,
            false => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for QueryRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in the query: {}", self.error)
    }
}

rejection!(QueryRejection);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = QueryRejection;

    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, QueryRejection> {
        let query = request.query();
        let parsed = pairs::parse(query.unwrap_or_default());
        parsed.map(Self).map_err(|error| QueryRejection {
            error,
            is_absent: query.is_none(),
        })
    }

    fn is_absent(rejection: &QueryRejection) -> bool {
        rejection.is_absent
    }
}
