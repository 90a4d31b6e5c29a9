//! Refuses values that have no JSON.
//!
//! serde_json writes NaN and the infinities as `null`, which would turn a fault into a fact that
//! nobody stated. A dry run over the value finds them before it is written.

use serde::ser::{self, Serialize};

/// Writes a value as JSON.
pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, String> {
    let mut json = String::with_capacity(64);
    write(&mut json, value)?;
    Ok(json)
}

/// Appends a value as JSON. Where the value has none, a part of it may be appended.
pub(super) fn write<T: Serialize + ?Sized>(json: &mut String, value: &T) -> Result<(), String> {
    value.serialize(Finite).map_err(|refused| refused.0)?;
    let mut bytes = std::mem::take(json).into_bytes();
    let written = serde_json::to_writer(&mut bytes, value);
    *json = String::from_utf8(bytes).expect("a text, and JSON behind it, are UTF-8");
    written.map_err(|error| format!("has no JSON: {error}"))
}

/// A serializer that writes nothing and accepts everything but non-finite numbers.
#[derive(Clone, Copy)]
struct Finite;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl ser::Error for Refused {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(format!("has no JSON: {message}"))
    }
}

macro_rules! accept {
    ($($method:ident($type:ty))*) => {
        $(fn $method(self, _: $type) -> Result<(), Refused> { Ok(()) })*
    };
}

impl ser::Serializer for Finite {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    accept! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32)
        serialize_i64(i64) serialize_i128(i128) serialize_u8(u8) serialize_u16(u16)
        serialize_u32(u32) serialize_u64(u64) serialize_u128(u128) serialize_char(char)
        serialize_str(&str) serialize_bytes(&[u8]) serialize_unit_struct(&'static str)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Refused> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Refused> {
        if value.is_finite() {
            return Ok(());
        }
        Err(Refused(format!("has no JSON: it contains the number {value}")))
    }

    fn serialize_none(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Refused> {
        Ok(self)
    }
}

macro_rules! visit_parts {
    ($($trait:ident: $method:ident($($name:ty)?);)*) => {$(
        impl ser::$trait for Finite {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $(_: $name,)?
                value: &T,
            ) -> Result<(), Refused> {
                value.serialize(*self)
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        }
    )*};
}

visit_parts! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

impl ser::SerializeMap for Finite {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        key.serialize(*self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(*self)
    }

    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn finite_values_become_json() {
        let json = to_json(&(1, "a", Some(2.5), [(); 1])).unwrap();
        assert_eq!(json, r#"[1,"a",2.5,[null]]"#);
        assert_eq!(to_json(&serde_json::json!({"a": {"b": [1]}})).unwrap(), r#"{"a":{"b":[1]}}"#);
        let raw = RawValue::from_string(json).unwrap();
        assert_eq!(to_json(&raw).unwrap(), raw.get());
    }

    #[test]
    fn nan_and_infinity_are_refused_however_deep_they_stand() {
        assert_eq!(to_json(&f64::NAN).unwrap_err(), "has no JSON: it contains the number NaN");
        assert!(to_json(&[Some(f32::INFINITY)]).is_err());
        assert!(to_json(&std::collections::BTreeMap::from([("a", f64::NEG_INFINITY)])).is_err());
    }
}
