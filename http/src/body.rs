//! What does a response carry?
//!
//! [`Body`]: bytes that are there already, in the form in which the handler had them, so that none is copied or
//! allocated to become one. Bodies that come in pieces get a form of their own here.

use bytes::Bytes;
use std::fmt;

/// The body of a response.
///
/// # Examples
///
/// ```
/// use filch_http::Body;
///
/// assert_eq!(Body::from("static").len(), 6);
/// assert_eq!(Body::from(format!("{}", 42)).as_bytes(), b"42");
/// assert!(Body::empty().is_empty());
/// ```
#[derive(Clone, Default)]
pub struct Body {
    form: Form,
}

#[derive(Clone)]
enum Form {
    Static(&'static [u8]),
    Owned(Vec<u8>),
    Shared(Bytes),
}

impl Default for Form {
    fn default() -> Self {
        Self::Static(&[])
    }
}

impl Body {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            form: Form::Static(&[]),
        }
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.form {
            Form::Static(bytes) => bytes,
            Form::Owned(bytes) => bytes,
            Form::Shared(bytes) => bytes,
        }
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self {
            form: Form::Static(bytes),
        }
    }
}

impl<const N: usize> From<&'static [u8; N]> for Body {
    fn from(bytes: &'static [u8; N]) -> Self {
        Self::from(&bytes[..])
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            form: Form::Owned(bytes),
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            form: Form::Shared(bytes),
        }
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}
