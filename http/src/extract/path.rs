//! What do the parameters of a route say?
//!
//! With one parameter, a [`Path`] of a single value is that; with several, a tuple has them in their order, a struct or a map
//! by their names. The values are deserialized one by one from where they lie, decoded: nothing is collected before.

use super::FromRequestParts;
use super::pairs::PairsError;
use super::rejection::rejection;
use super::scalar::Scalar;
use crate::request::Request;
use http::StatusCode;
use serde_core::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde_core::forward_to_deserialize_any;
use std::borrow::Cow;
use std::fmt;

/// The parameters of the route: one value, or several as a tuple in their order, or as a struct or a map by their names.
///
/// A value that is not what was asked for is answered with 400, one that cannot be percent-decoded too. To ask for another
/// number of values than the route has, or of a route without any, is a fault of the program, and 500.
///
/// # Examples
///
/// ```
/// use filch_http::{Path, Router};
///
/// #[derive(serde::Deserialize)]
/// struct Part {
///     thing: u64,
///     name: String,
/// }
///
/// let router = Router::new()
///     .get("/things/{thing}", async |Path(thing): Path<u64>| format!("thing {thing}"))
///     .get("/things/{thing}/{name}", async |Path((thing, name)): Path<(u64, String)>| format!("{name} of {thing}"))
///     .delete("/things/{thing}/{name}", async |Path(part): Path<Part>| format!("no {} of {}", part.name, part.thing));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

/// Why the parameters are not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathRejection {
    /// The route has no parameters.
    Absent,
    /// The route has another number of parameters: this one. The program's fault.
    Count(usize),
    /// One of them is not what was asked for.
    Value(PairsError),
}

impl PathRejection {
    /// 400, or 500 when it is not the client's fault.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Value(error) if !error.is_ours() => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for PathRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("the route has no parameters"),
            Self::Count(count) => write!(
                f,
                "the route has {count} parameters, not as many as are asked for"
            ),
            Self::Value(error) => write!(f, "in the path: {error}"),
        }
    }
}

rejection!(PathRejection);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Path<T> {
    type Rejection = PathRejection;

    #[inline]
    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, PathRejection> {
        let count = request.found().params().len();
        if count == 0 {
            return Err(PathRejection::Absent);
        }
        match T::deserialize(Params { request, count }) {
            Ok(value) => Ok(Self(value)),
            Err(PairsError::Unsupported(_)) => Err(PathRejection::Count(count)),
            Err(error) => Err(PathRejection::Value(error)),
        }
    }

    fn is_absent(rejection: &PathRejection) -> bool {
        *rejection == PathRejection::Absent
    }
}

/// The parameters of a request, of which there is at least one.
struct Params<'r> {
    request: &'r Request,
    count: usize,
}

/// Another number of values than there are.
const COUNT: PairsError = PairsError::Unsupported("another number of values");

impl<'r> Params<'r> {
    fn scalars(&self) -> impl Iterator<Item = Scalar<'r>> + use<'r> {
        let params = self.request.params();
        params.map(|(name, value)| Scalar { name, value })
    }

    /// The value, if it is the only one.
    fn only(&self) -> Result<Scalar<'r>, PairsError> {
        match self.count {
            1 => self.scalars().next().ok_or(COUNT),
            _ => Err(COUNT),
        }
    }

    fn seq<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, PairsError> {
        visitor.visit_seq(Seq {
            values: self.scalars(),
        })
    }

    fn tuple<'de, V: Visitor<'de>>(&self, len: usize, visitor: V) -> Result<V::Value, PairsError> {
        match len == self.count {
            true => self.seq(visitor),
            false => Err(COUNT),
        }
    }

    fn map<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, PairsError> {
        visitor.visit_map(Map {
            values: self.scalars(),
            value: None,
        })
    }
}

/// As the only value.
macro_rules! only {
    ($($deserialize:ident)*) => {
        $(
            #[inline]
            fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
                self.only()?.$deserialize(visitor)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Params<'_> {
    type Error = PairsError;

    only! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        self.map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        self.seq(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        self.tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        self.tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        self.map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! { ignored_any }
}

struct Seq<I> {
    values: I,
}

impl<'de, 'r, I: Iterator<Item = Scalar<'r>>> SeqAccess<'de> for Seq<I> {
    type Error = PairsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, PairsError> {
        match self.values.next() {
            None => Ok(None),
            Some(value) => seed.deserialize(value).map(Some),
        }
    }
}

struct Map<'r, I> {
    values: I,
    /// Of the name that was given last.
    value: Option<Scalar<'r>>,
}

impl<'de, 'r, I: Iterator<Item = Scalar<'r>>> MapAccess<'de> for Map<'r, I> {
    type Error = PairsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, PairsError> {
        self.value = self.values.next();
        match &self.value {
            None => Ok(None),
            Some(value) => seed.deserialize(value.name.into_deserializer()).map(Some),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, PairsError> {
        let none = Scalar {
            name: "",
            value: Cow::Borrowed(""),
        };
        seed.deserialize(self.value.take().unwrap_or(none))
    }
}
