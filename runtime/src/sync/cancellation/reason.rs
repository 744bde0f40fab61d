//! Why was something cancelled?
//!
//! An error in an `Arc`: text is enough for a log, but a program that acts on the reason (tells a client that went away from a server that ends) wants a type of its own rather
//! than to take a text apart. It is cloned for every descendant of a token, hence the `Arc`. Rejected: a `Cow<'static, str>` (text only), a `Box` (is not cloned), a type parameter
//! of the token (every function that passes one on would have it).

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a [`CancellationToken`](super::CancellationToken) was cancelled: any text or error.
///
/// # Examples
///
/// ```
/// use filch::sync::{CancelReason, CancellationToken};
///
/// #[derive(Debug, PartialEq)]
/// struct WentAway {
///     client: u32,
/// }
///
/// impl std::fmt::Display for WentAway {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         write!(f, "client {} went away", self.client)
///     }
/// }
///
/// impl std::error::Error for WentAway {}
///
/// let token = CancellationToken::new();
/// token.cancel_with(WentAway { client: 3 });
/// let reason = token.reason().unwrap();
/// assert_eq!(reason.to_string(), "client 3 went away");
/// assert_eq!(reason.downcast_ref(), Some(&WentAway { client: 3 }));
///
/// assert_eq!(CancelReason::from("maintenance").to_string(), "maintenance");
/// ```
#[derive(Debug, Clone)]
pub struct CancelReason(Arc<dyn Error + Send + Sync>);

impl CancelReason {
    /// The reason as an error, to ask for its source, or to return it.
    #[must_use]
    pub fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// The reason, if it is an error of this type.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for CancelReason {
    fn from(reason: E) -> Self {
        Self(reason.into().into())
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
