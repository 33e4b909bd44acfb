//! The codec against another library, against random bytes, and against malice.

use minicbor::Encoder;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Colour {
    Red,
    Blue,
}

index!(Colour { 0: Red, 7: Blue });

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    number: u64,
    text: Box<str>,
}

array!(Inner { 0: number, 1: text });

#[derive(Debug, Clone, PartialEq, Eq)]
struct Outer<'b> {
    small: u8,
    inner: Option<Inner>,
    bytes: Option<&'b [u8]>,
    flag: bool,
    list: Vec<Inner>,
    colour: Option<Colour>,
}

map!(Outer<'b> { 0: small, 1: inner, 3: bytes, 4: flag, 5: list, 6: colour });

fn outer() -> Outer<'static> {
    Outer { small: 1, inner: None, bytes: None, flag: true, list: Vec::new(), colour: None }
}

/// `{0: 1, 4: true, 5: []}` and what `more` adds to it.
fn map_with(more: impl FnOnce(&mut Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.begin_map().expect("a vector takes all");
    encoder.u8(0).and_then(|it| it.u8(1)?.u8(4)?.bool(true)?.u8(5)?.array(0)).expect("so do these");
    more(&mut encoder);
    encoder.end().expect("and this");
    encoder.into_writer()
}

#[test]
fn what_is_not_known_is_skipped_whatever_it_is() {
    type More = fn(&mut Encoder<Vec<u8>>) -> Option<()>;
    #[rustfmt::skip]
    let cases: [(&str, More); 9] = [
        ("a number",                  |to| to.u8(9).ok()?.u64(1 << 40).ok().map(|_| ())),
        ("a negative key",            |to| to.i8(-3).ok()?.null().ok().map(|_| ())),
        ("a large key",               |to| to.u64(u64::MAX).ok()?.f64(0.5).ok().map(|_| ())),
        ("a tagged text",             |to| to.u8(9).ok()?.tag(minicbor::data::Tag::new(32)).ok()?.str("x").ok().map(|_| ())),
        ("an array in an array",      |to| to.u8(9).ok()?.array(2).ok()?.array(1).ok()?.u8(1).ok()?.str("x").ok().map(|_| ())),
        ("a map without a length",    |to| to.u8(9).ok()?.begin_map().ok()?.u8(1).ok()?.array(1).ok()?.u8(2).ok()?.end().ok().map(|_| ())),
        ("open arrays in one another",|to| to.u8(9).ok()?.begin_array().ok()?.array(2).ok()?.begin_array().ok()?.end().ok()?.u8(1).ok()?.end().ok().map(|_| ())),
        ("text in pieces",            |to| to.u8(9).ok()?.begin_str().ok()?.str("a").ok()?.str("b").ok()?.end().ok().map(|_| ())),
        ("an optional kind",          |to| to.u8(6).ok()?.u8(99).ok().map(|_| ())),
    ];
    for (shows, more) in cases {
        let bytes = map_with(|to| more(to).expect("a vector takes all"));
        assert_eq!(decode(&bytes), Ok(outer()), "{shows}");
    }
}

#[test]
fn an_optional_field_is_absent_or_null_and_any_other_must_be_there() {
    let null = map_with(|to| {
        let _ = to.u8(1).and_then(Encoder::null);
    });
    assert_eq!(decode(&null), Ok(outer()));
    assert_eq!(decode::<Outer<'_>>(&[0xa1, 0x00, 0x01]), Err(Unreadable { at: 3 }), "no flag");
    assert_eq!(decode::<Inner>(&[0x81, 0x01]), Err(Unreadable { at: 2 }), "no text");
    assert_eq!(encode(&outer()), [0xa3, 0x00, 0x01, 0x04, 0xf5, 0x05, 0x80]);
}

#[test]
fn what_is_malformed_is_refused() {
    #[rustfmt::skip]
    let cases: [(&str, Vec<u8>); 11] = [
        ("nothing",                    vec![]),
        ("an array for a map",         vec![0x80]),
        ("a number over its type",     vec![0xa3, 0x00, 0x19, 0x01, 0x00, 0x04, 0xf5, 0x05, 0x80]),
        ("a negative number",          vec![0xa3, 0x00, 0x20, 0x04, 0xf5, 0x05, 0x80]),
        ("a number for a flag",        vec![0xa3, 0x00, 0x01, 0x04, 0x01, 0x05, 0x80]),
        ("a key twice",                vec![0xa4, 0x00, 0x01, 0x00, 0x01, 0x04, 0xf5, 0x05, 0x80]),
        ("a text for a key",           vec![0xa4, 0x00, 0x01, 0x60, 0x01, 0x04, 0xf5, 0x05, 0x80]),
        ("a reserved length",          vec![0xa4, 0x00, 0x01, 0x04, 0xf5, 0x05, 0x80, 0x09, 0x1c]),
        ("a break where none belongs", vec![0xa4, 0x00, 0x01, 0x04, 0xf5, 0x05, 0x80, 0x09, 0xff]),
        ("a list without an end",      vec![0xa3, 0x00, 0x01, 0x04, 0xf5, 0x05, 0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("an unknown kind that counts",vec![0x01]),
    ];
    for (shows, bytes) in cases {
        assert!(decode::<Outer<'_>>(&bytes).is_err(), "{shows}");
    }
    assert!(decode::<Colour>(&[0x01]).is_err());
    assert!(decode::<Box<str>>(&[0x62, 0xff, 0xff]).is_err(), "a text that is none");
    assert!(decode::<[u8; 2]>(&[0x41, 0x00]).is_err(), "too few bytes");
}

#[test]
fn millions_of_arrays_in_one_another_are_passed_over_or_refused() {
    let deep = |first: u8, count: usize| {
        let mut bytes = vec![0xa4, 0x00, 0x01, 0x04, 0xf5, 0x05, 0x80, 0x09];
        bytes.extend(std::iter::repeat_n(first, count));
        bytes.push(0x00);
        bytes
    };
    assert_eq!(decode(&deep(0x81, 2_000_000)), Ok(outer()));
    assert!(decode::<Outer<'_>>(&deep(0x9f, 2_000_000)).is_err());
}

#[test]
fn a_list_of_more_items_than_any_message_has_is_refused() {
    let most = crate::base::limits::LIST_ITEMS_MAX;
    for (items, taken) in [(most, true), (most + 1, false)] {
        let list = vec![7_u8; items];
        let open = [&[0x9f], &list[..], &[0xff]].concat();
        for bytes in [encode(&list), open] {
            assert_eq!(decode::<Vec<u8>>(&bytes).is_ok(), taken, "{items}");
        }
    }
}

type Drawn = (u8, Option<(u64, String)>, Vec<u8>, Vec<(u64, String)>);

fn values() -> impl Strategy<Value = Drawn> {
    let inner = || (any::<u64>(), ".{0,40}");
    (
        any::<u8>(),
        prop::option::of(inner()),
        any::<Vec<u8>>(),
        prop::collection::vec(inner(), 0..40),
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_well_formed((small, one, bytes, many) in values()) {
        let inner = |(number, text): (u64, String)| Inner { number, text: text.into() };
        let value = Outer {
            small,
            inner: one.map(inner),
            bytes: (!bytes.is_empty()).then_some(&bytes[..]),
            flag: false,
            list: many.into_iter().map(inner).collect(),
            colour: Some(Colour::Blue),
        };
        let written = encode(&value);
        prop_assert_eq!(decode(&written), Ok(value));

        let mut oracle = minicbor::Decoder::new(&written);
        prop_assert!(oracle.skip().is_ok());
        prop_assert_eq!(oracle.position(), written.len());

        let mut reader = Reader::new(&written);
        reader.skip();
        prop_assert_eq!(reader.finish(), Ok(()));
        for end in 0..written.len() {
            prop_assert!(decode::<Outer<'_>>(&written[..end]).is_err());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        let _ = decode::<Outer<'_>>(&bytes);
        let _ = decode::<Vec<Inner>>(&bytes);
        Reader::new(&bytes).skip();
    }

    /// Random bytes are seldom sound for long; bytes that were sound once get further.
    #[test]
    fn no_change_of_a_byte_makes_it_panic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let inner = Inner { number: 300, text: "text".into() };
        let value = Outer { list: vec![inner.clone(), inner.clone()], inner: Some(inner), ..outer() };
        let mut bytes = encode(&value);
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = decode::<Outer<'_>>(&bytes);
    }
}
