//! CBOR (RFC 8949) for rows and messages: one small reader, one small writer, and two traits.
//!
//! A type says by `map!`, `array!`, `index!` or `transparent!` which field has which number; the
//! rest follows. Rows are maps, in which an absent field is left out. Messages are arrays, in which it
//! is null, or cut off at the end.
//!
//! What always holds:
//! - no bytes make this panic or recurse without bound, or allocate out of proportion to their number;
//! - fields that are not known are skipped, and an optional field of a kind that is not known is absent;
//! - after the first fault nothing more is read: what is left of the value stays blank, and
//!   [`decode`] gives the fault in its place.
//!
//! The last is why reading has no `Result` at every step: in the browser those steps would weigh more
//! than everything that is decided (`docs/decisions/0002-codec.md`).

mod leaf;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{Fields, Reader, Unreadable};
pub(crate) use writer::{array_slot, map_slot};
pub use writer::{begin_array, begin_map, write_uint};

/// What can be written.
pub trait Encode {
    /// Appends it to `to`.
    fn write(&self, to: &mut Vec<u8>);

    /// Whether it is an absent option.
    fn is_absent(&self) -> bool {
        false
    }
}

/// What can be read. `'b` is how long the bytes live that it may borrow from.
pub trait Decode<'b>: Sized {
    /// Whether a map or an array may go without it.
    const OPTIONAL: bool = false;

    /// What it is before it is read; an absent option.
    fn blank() -> Self;

    /// Reads it into a blank. At a fault it may be left in any state.
    fn read(&mut self, from: &mut Reader<'b>);
}

/// The bytes of `value`.
pub fn encode<T: Encode + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.write(&mut bytes);
    bytes
}

/// The value that `bytes` begin with.
pub fn decode<'b, T: Decode<'b>>(bytes: &'b [u8]) -> Result<T, Unreadable> {
    let mut reader = Reader::new(bytes);
    let value = read_one(&mut reader);
    reader.finish().map(|()| value)
}

/// Reads into a blank the value that `bytes` begin with. At a fault it may be left in any state.
pub fn fill<'b, T: Decode<'b>>(blank: &mut T, bytes: &'b [u8]) -> Result<(), Unreadable> {
    let mut reader = Reader::new(bytes);
    blank.read(&mut reader);
    reader.finish()
}

/// The value that comes next; at a fault any, and the reader has it.
pub(crate) fn read_one<'b, T: Decode<'b>>(from: &mut Reader<'b>) -> T {
    let mut value = T::blank();
    value.read(from);
    value
}

/// The bit of a field that must be there. A function, because a macro does not see the field's type.
pub(crate) const fn required<'b, T: Decode<'b>>(_: &T, index: u32) -> u32 {
    if T::OPTIONAL { 0 } else { 1 << index }
}

/// A struct as a map with integer keys: `map!(Row<'b> { 0: version, 1: name });`
macro_rules! map {
    ($($description:tt)+) => {
        $crate::base::codec::fields!(begin_map map_slot open_map $($description)+);
    };
}

/// A struct as an array: `array!(Message { 0: first, 1: second });`
macro_rules! array {
    ($($description:tt)+) => {
        $crate::base::codec::fields!(begin_array array_slot open_array $($description)+);
    };
}

/// What `map!` and `array!` have in common. At most 23 fields, so that the head is one byte.
macro_rules! fields {
    ($begin:ident $slot:ident $open:ident
        $type:ident $(<$life:lifetime>)? { $($index:literal: $field:tt),+ $(,)? }
    ) => {
        impl $(<$life>)? $crate::base::codec::Encode for $type $(<$life>)? {
            fn write(&self, to: &mut Vec<u8>) {
                let head = to.len();
                $crate::base::codec::$begin(to, 0);
                $(if !$crate::base::codec::Encode::is_absent(&self.$field) {
                    $crate::base::codec::$slot(to, head, $index);
                    $crate::base::codec::Encode::write(&self.$field, to);
                })+
            }
        }

        impl<'b> $crate::base::codec::Decode<'b> for $type $(<$life>)? {
            fn blank() -> Self {
                Self { $($field: $crate::base::codec::Decode::blank()),+ }
            }

            fn read(&mut self, from: &mut $crate::base::codec::Reader<'b>) {
                const { $(assert!($index < 23);)+ }
                let mut fields = from.$open();
                loop {
                    match fields.next(from) {
                        $($index => $crate::base::codec::Decode::read(&mut self.$field, from),)+
                        $crate::base::codec::Fields::END => break,
                        _ => from.skip(),
                    }
                }
                let required = 0 $(| $crate::base::codec::required(&self.$field, $index))+;
                fields.check(from, required);
            }
        }
    };
}

/// An enum without content as a number: `index!(Lane { 0: Critical, 1: Normal });`
macro_rules! index {
    ($type:ident { 0: $first:ident $(, $index:literal: $variant:ident)* $(,)? }) => {
        impl $crate::base::codec::Encode for $type {
            fn write(&self, to: &mut Vec<u8>) {
                let index = match self {
                    Self::$first => 0,
                    $(Self::$variant => $index,)*
                };
                $crate::base::codec::write_uint(to, index);
            }
        }

        impl<'b> $crate::base::codec::Decode<'b> for $type {
            fn blank() -> Self {
                Self::$first
            }

            fn read(&mut self, from: &mut $crate::base::codec::Reader<'b>) {
                *self = match from.uint(u64::MAX) {
                    0 => Self::$first,
                    $($index => Self::$variant,)*
                    _ => {
                        from.refuse_kind();
                        return;
                    }
                };
            }
        }
    };
}

/// A struct around one field, as that field alone.
macro_rules! transparent {
    ($type:ident) => {
        impl $crate::base::codec::Encode for $type {
            fn write(&self, to: &mut Vec<u8>) {
                $crate::base::codec::Encode::write(&self.0, to);
            }
        }

        impl<'b> $crate::base::codec::Decode<'b> for $type {
            fn blank() -> Self {
                Self($crate::base::codec::Decode::blank())
            }

            fn read(&mut self, from: &mut $crate::base::codec::Reader<'b>) {
                $crate::base::codec::Decode::read(&mut self.0, from);
            }
        }
    };
}

pub(crate) use {array, fields, index, map, transparent};
