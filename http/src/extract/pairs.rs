//! What do the names and values of a query or a form say?
//!
//! `name=value`, joined by `&`, percent-encoded, a space as a plus (URL standard, application/x-www-form-urlencoded). As a map
//! or a struct each name is a key; a name that comes several times is a sequence, and an error where one value is wanted: which
//! of them is meant is what two programs would guess differently. As a sequence they are pairs in their order.
//!
//! Written here rather than taken from serde_urlencoded, which mends malformed encoding and has no sequences; and as a path's
//! parameters are the same kind of thing.

use super::scalar::Scalar;
use crate::percent::{DecodeError, decode_form};
use serde_core::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde_core::forward_to_deserialize_any;
use std::borrow::Cow;
use std::fmt;

/// Most pairs of a query or a form. More than any form that people fill in has; and what is sorted here is a client's.
pub const PAIRS_MAX: usize = 1000;

/// Why names and values are not what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairsError {
    /// A name or a value cannot be decoded.
    Encoding(DecodeError),
    /// There are more than [`PAIRS_MAX`].
    TooMany,
    /// A name comes several times where one value is expected.
    Repeated(String),
    /// A value is not what was expected; a sentence that names it.
    Value(String),
    /// What serde says, or the type: a field is missing, for example.
    Message(String),
    /// The program asks for something that names and values cannot be, which is the server's fault.
    Unsupported(&'static str),
}

impl PairsError {
    /// Whether it is the program's fault and not the client's.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Unsupported(_))
    }
}

impl fmt::Display for PairsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding(error) => error.fmt(f),
            Self::TooMany => write!(f, "there are more than {PAIRS_MAX} values"),
            Self::Repeated(name) => write!(f, "`{name}` is there more than once"),
            Self::Value(text) | Self::Message(text) => f.write_str(text),
            Self::Unsupported(what) => write!(f, "text cannot be {what}"),
        }
    }
}

impl std::error::Error for PairsError {}

impl de::Error for PairsError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }
}

/// What `text` says.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, PairsError> {
    let mut all = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if all.len() == PAIRS_MAX {
            return Err(PairsError::TooMany);
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text| decode_form(text).map_err(PairsError::Encoding);
        all.push((decode(name)?, decode(value)?));
    }
    T::deserialize(Pairs { all: &mut all })
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

struct Pairs<'p, 'a> {
    all: &'p mut [Pair<'a>],
}

impl<'de> Deserializer<'de> for Pairs<'_, '_> {
    type Error = PairsError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        // Stable: the values of one name keep their order.
        self.all.sort_by(|a, b| a.0.cmp(&b.0));
        visitor.visit_map(Groups {
            left: self.all,
            values: &[],
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        visitor.visit_seq(InOrder { left: self.all })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        match self.all {
            [] => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
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

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf tuple tuple_struct map struct enum
        identifier ignored_any
    }
}

/// Names, each with all its values, which stand together.
struct Groups<'p, 'a> {
    left: &'p [Pair<'a>],
    /// Of the name that was given last.
    values: &'p [Pair<'a>],
}

impl<'de> MapAccess<'de> for Groups<'_, '_> {
    type Error = PairsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, PairsError> {
        let Some((name, _)) = self.left.first() else {
            return Ok(None);
        };
        let count = self.left.partition_point(|(other, _)| other <= name);
        (self.values, self.left) = self.left.split_at(count);
        seed.deserialize((&**name).into_deserializer()).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, PairsError> {
        seed.deserialize(Group {
            values: self.values,
        })
    }
}

/// All values of a name.
struct Group<'p, 'a> {
    values: &'p [Pair<'a>],
}

impl<'p> Group<'p, '_> {
    /// The value, if it is the only one.
    fn only(&self) -> Result<Scalar<'p>, PairsError> {
        match self.values {
            [pair] => Ok(scalar(pair)),
            [(name, _), ..] => Err(PairsError::Repeated(name.to_string())),
            [] => Err(PairsError::Unsupported("a value without a name")),
        }
    }
}

fn scalar<'p>((name, value): &'p Pair<'_>) -> Scalar<'p> {
    Scalar {
        name,
        value: Cow::Borrowed(value),
    }
}

/// As the only value.
macro_rules! only {
    ($($deserialize:ident)*) => {
        $(
            fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
                self.only()?.$deserialize(visitor)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Group<'_, '_> {
    type Error = PairsError;

    only! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_map deserialize_identifier
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        visitor.visit_seq(Values { left: self.values })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        self.deserialize_seq(visitor)
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

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        self.only()?.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        visitor.visit_unit()
    }
}

struct Values<'p, 'a> {
    left: &'p [Pair<'a>],
}

impl<'de> SeqAccess<'de> for Values<'_, '_> {
    type Error = PairsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, PairsError> {
        let Some((first, rest)) = self.left.split_first() else {
            return Ok(None);
        };
        self.left = rest;
        seed.deserialize(scalar(first)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

/// Pairs as they came.
struct InOrder<'p, 'a> {
    left: &'p [Pair<'a>],
}

impl<'de> SeqAccess<'de> for InOrder<'_, '_> {
    type Error = PairsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, PairsError> {
        let Some(((name, value), rest)) = self.left.split_first() else {
            return Ok(None);
        };
        self.left = rest;
        let pair = [&**name, &**value].into_iter();
        seed.deserialize(de::value::SeqDeserializer::new(pair))
            .map(Some)
    }
}

#[cfg(test)]
mod tests;
