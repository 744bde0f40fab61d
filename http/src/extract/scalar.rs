//! What is one value in a path, a query or a form?
//!
//! Text, which becomes what serde is asked for: a number in decimal digits, `true` or `false`, a character, text, or the name
//! of an enum's variant. A number has no plus before it, and is one (neither `NaN` nor `inf`); beyond that it may be spelled in any way that Rust reads (`007`, `-0`, `1e5`, `.5`): who needs one spelling
//! for each thing, as for a cache or a signature, compares the text.

use super::pairs::PairsError;
use serde_core::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
};
use serde_core::forward_to_deserialize_any;
use std::borrow::Cow;

/// A value, and its name for errors.
#[derive(Debug, Clone)]
pub(super) struct Scalar<'a> {
    pub(super) name: &'a str,
    pub(super) value: Cow<'a, str>,
}

impl Scalar<'_> {
    #[cold]
    fn is_not(&self, what: &str) -> PairsError {
        PairsError::Value(format!("`{}` is not {what}", self.name))
    }
}

macro_rules! integers {
    ($($deserialize:ident $visit:ident $type:ty),*) => {
        $(
            #[inline]
            fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
                match self.value.parse() {
                    Ok(number) if !self.value.starts_with('+') => self.named(visitor.$visit(number)),
                    _ => Err(self.is_not(&format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX))),
                }
            }
        )*
    };
}

macro_rules! floats {
    ($($deserialize:ident $visit:ident $type:ty),*) => {
        $(
            fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
                match self.value.parse::<$type>() {
                    Ok(number) if number.is_finite() && !self.value.starts_with('+') => self.named(visitor.$visit(number)),
                    _ => Err(self.is_not("a number")),
                }
            }
        )*
    };
}

impl Scalar<'_> {
    /// Adds the name to what a type says of its value.
    fn named<T>(&self, result: Result<T, PairsError>) -> Result<T, PairsError> {
        result.map_err(|error| match error {
            PairsError::Message(text) => PairsError::Value(format!("`{}`: {text}", self.name)),
            other => other,
        })
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        let name = self.name;
        let result = match self.value {
            Cow::Borrowed(text) => visitor.visit_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        };
        Scalar {
            name,
            value: Cow::Borrowed(""),
        }
        .named(result)
    }
}

impl<'de> Deserializer<'de> for Scalar<'_> {
    type Error = PairsError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        self.visit(visitor)
    }

    integers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64, deserialize_u128 visit_u128 u128
    }

    floats! { deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        match &*self.value {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(self.is_not("`true` or `false`")),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        match self.value.parse() {
            Ok(char) => visitor.visit_char(char),
            Err(_) => Err(self.is_not("one character")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        match &*self.value {
            "" => visitor.visit_unit(),
            _ => Err(self.is_not("empty")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PairsError> {
        visitor.visit_enum(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PairsError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { str string bytes byte_buf seq tuple tuple_struct map struct identifier }
}

/// A variant without a value, by its name.
impl<'de> EnumAccess<'de> for Scalar<'_> {
    type Error = PairsError;
    type Variant = NoValue;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, NoValue), PairsError> {
        let name = seed.deserialize((&*self.value).into_deserializer());
        Ok((self.named(name)?, NoValue))
    }
}

/// What a variant has besides its name.
pub(super) struct NoValue;

impl<'de> VariantAccess<'de> for NoValue {
    type Error = PairsError;

    fn unit_variant(self) -> Result<(), PairsError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, PairsError> {
        Err(PairsError::Unsupported("a variant with a value"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, PairsError> {
        Err(PairsError::Unsupported("a variant with values"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, PairsError> {
        Err(PairsError::Unsupported("a variant with fields"))
    }
}
