//! What fields are made of: numbers, texts, byte strings, lists, options.

use minicbor::bytes::{ByteArray, ByteVec};

use super::super::limits::LIST_ITEMS_MAX;
use super::reader::NULL;
use super::writer::{begin_array, write_bytes, write_text, write_uint};
use super::{Decode, Encode, Fields, Reader};

macro_rules! uint {
    ($($type:ident)+) => { $(
        impl Encode for $type {
            fn write(&self, to: &mut Vec<u8>) {
                write_uint(to, u64::from(*self));
            }
        }

        impl<'b> Decode<'b> for $type {
            fn blank() -> Self {
                0
            }

            fn read(&mut self, from: &mut Reader<'b>) {
                *self = from.uint(u64::from(Self::MAX)) as Self;
            }
        }
    )+ };
}

uint!(u8 u16 u32 u64);

impl Encode for bool {
    fn write(&self, to: &mut Vec<u8>) {
        to.push(if *self { 0xf5 } else { 0xf4 });
    }
}

impl<'b> Decode<'b> for bool {
    fn blank() -> Self {
        false
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        *self = from.bool();
    }
}

impl Encode for &str {
    fn write(&self, to: &mut Vec<u8>) {
        write_text(to, self);
    }
}

impl<'b> Decode<'b> for &'b str {
    fn blank() -> Self {
        ""
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        *self = from.text();
    }
}

impl Encode for Box<str> {
    fn write(&self, to: &mut Vec<u8>) {
        write_text(to, self);
    }
}

impl<'b> Decode<'b> for Box<str> {
    fn blank() -> Self {
        Self::default()
    }

    #[inline(never)]
    fn read(&mut self, from: &mut Reader<'b>) {
        *self = from.text().into();
    }
}

impl Encode for &[u8] {
    fn write(&self, to: &mut Vec<u8>) {
        write_bytes(to, self);
    }
}

impl<'b> Decode<'b> for &'b [u8] {
    fn blank() -> Self {
        &[]
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        *self = from.bytes();
    }
}

impl Encode for ByteVec {
    fn write(&self, to: &mut Vec<u8>) {
        write_bytes(to, self);
    }
}

impl<'b> Decode<'b> for ByteVec {
    fn blank() -> Self {
        Vec::new().into()
    }

    #[inline(never)]
    fn read(&mut self, from: &mut Reader<'b>) {
        *self = from.bytes().to_vec().into();
    }
}

/// As a byte string.
impl<const N: usize> Encode for [u8; N] {
    fn write(&self, to: &mut Vec<u8>) {
        write_bytes(to, self);
    }
}

impl<'b, const N: usize> Decode<'b> for [u8; N] {
    fn blank() -> Self {
        [0; N]
    }

    #[inline(never)]
    fn read(&mut self, from: &mut Reader<'b>) {
        match <[u8; N]>::try_from(from.bytes()) {
            Ok(bytes) => *self = bytes,
            Err(_) => from.refuse(),
        }
    }
}

impl<const N: usize> Encode for ByteArray<N> {
    fn write(&self, to: &mut Vec<u8>) {
        write_bytes(to, &self[..]);
    }
}

impl<'b, const N: usize> Decode<'b> for ByteArray<N> {
    fn blank() -> Self {
        [0; N].into()
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        <[u8; N]>::read(self, from);
    }
}

impl<T: Encode> Encode for Option<T> {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(to),
            None => to.push(NULL),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<'b, T: Decode<'b>> Decode<'b> for Option<T> {
    const OPTIONAL: bool = true;

    fn blank() -> Self {
        None
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        if from.null() {
            return;
        }
        let start = *from;
        let mut value = T::blank();
        value.read(from);
        if !from.forgive_kind(start) {
            *self = Some(value);
        }
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn write(&self, to: &mut Vec<u8>) {
        begin_array(to, self.len() as u64);
        for item in self {
            item.write(to);
        }
    }
}

impl<'b, T: Decode<'b>> Decode<'b> for Vec<T> {
    fn blank() -> Self {
        Self::new()
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        let mut items = from.open_array();
        while items.next(from) != Fields::END {
            if self.len() == LIST_ITEMS_MAX {
                return from.refuse();
            }
            let mut item = T::blank();
            item.read(from);
            self.push(item);
        }
    }
}

impl<T: Encode, U: Encode> Encode for (T, U) {
    fn write(&self, to: &mut Vec<u8>) {
        begin_array(to, 2);
        self.0.write(to);
        self.1.write(to);
    }
}

impl<'b, T: Decode<'b>, U: Decode<'b>> Decode<'b> for (T, U) {
    fn blank() -> Self {
        (T::blank(), U::blank())
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        let mut items = from.open_array();
        loop {
            match items.next(from) {
                0 => self.0.read(from),
                1 => self.1.read(from),
                Fields::END => break,
                _ => from.skip(),
            }
        }
        items.check(from, 0b11);
    }
}
