//! Reads CBOR from a slice, until the first fault.
//!
//! What always holds: every step either consumes a byte or is a fault, and after a fault there is
//! nothing left to read; so every loop over what a head promises ends with the bytes at the latest.

use super::writer::{ARRAY, BYTES, MAP, TEXT};

/// The bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unreadable at byte {at}")]
pub struct Unreadable {
    /// How many bytes were read before the fault.
    pub at: usize,
}

/// What is left to read, and whether anything was wrong.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    state: State,
    /// What the last head said: a number, a length or a count.
    value: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sound,
    Unreadable,
    KindUnknown,
}

impl<'b> Reader<'b> {
    /// Begins with the first byte.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, state: State::Sound, value: 0 }
    }

    /// The fault, if there was one. Bytes that are left over are none.
    pub fn finish(&self) -> Result<(), Unreadable> {
        match self.state {
            State::Sound => Ok(()),
            State::Unreadable | State::KindUnknown => Err(Unreadable { at: self.at }),
        }
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Whether nothing is left to read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The bytes are not what they should be. Nothing more is read.
    #[inline(never)]
    pub fn refuse(&mut self) {
        self.stop(State::Unreadable);
    }

    /// What was just read names a kind that is not known: a fault, unless the whole is optional.
    #[inline(never)]
    pub fn refuse_kind(&mut self) {
        self.stop(State::KindUnknown);
    }

    fn stop(&mut self, state: State) {
        if self.state == State::Sound {
            self.state = state;
        }
        self.bytes = &[];
    }

    /// An unsigned number of at most `max`; 0 at a fault.
    #[inline(never)]
    pub fn uint(&mut self, max: u64) -> u64 {
        if self.head() < INFO_RESERVED && self.value <= max {
            return self.value;
        }
        self.refuse();
        0
    }

    /// A byte string; empty at a fault.
    #[inline(never)]
    pub fn bytes(&mut self) -> &'b [u8] {
        self.string(BYTES)
    }

    /// A text; empty at a fault.
    #[inline(never)]
    pub fn text(&mut self) -> &'b str {
        let bytes = self.string(TEXT);
        core::str::from_utf8(bytes).unwrap_or_else(|_| {
            self.refuse();
            ""
        })
    }

    /// True or false; false at a fault.
    #[inline(never)]
    pub fn bool(&mut self) -> bool {
        match self.take(1) {
            [TRUE] => true,
            [FALSE] => false,
            _ => {
                self.refuse();
                false
            }
        }
    }

    /// Whether a null comes next, which is then consumed.
    #[inline(never)]
    pub fn null(&mut self) -> bool {
        self.next_is(NULL)
    }

    /// The items of an array, each under its place.
    #[inline(never)]
    pub fn open_array(&mut self) -> Fields {
        Fields { left: self.open(ARRAY), place: Some(0), seen: 0 }
    }

    /// The values of a map, each under its key.
    #[inline(never)]
    pub fn open_map(&mut self) -> Fields {
        Fields { left: self.open(MAP), place: None, seen: 0 }
    }

    /// If the fault is a kind that is not known: goes back to `start`, and past the value there.
    #[inline(never)]
    pub(super) fn forgive_kind(&mut self, start: Self) -> bool {
        let forgiven = self.state == State::KindUnknown;
        if forgiven {
            *self = start;
            self.skip();
        }
        forgiven
    }

    /// Passes over one value of whatever kind.
    #[inline(never)]
    pub fn skip(&mut self) {
        // Counts what is left of the innermost array or map; those around it only where one of the
        // two has no length, because counts that are known can be added up.
        let mut outer = [0; OPEN_MAX];
        let mut depth = 0;
        let mut left = 1;
        loop {
            while left == 0 {
                if depth == 0 {
                    return;
                }
                depth -= 1;
                left = outer[depth];
            }
            let first = self.head();
            if self.state != State::Sound {
                return;
            }
            if first == BREAK {
                if left != UNTIL_BREAK {
                    return self.refuse();
                }
                left = 0;
                continue;
            }
            if left != UNTIL_BREAK {
                left -= 1;
            }
            let inner = match first >> 5 {
                BYTES..=MAP if first & INFO == INFO_OPEN => UNTIL_BREAK,
                BYTES | TEXT => {
                    self.take(self.value);
                    0
                }
                ARRAY => self.value.min(COUNT_MAX),
                MAP => self.value.saturating_mul(2).min(COUNT_MAX),
                TAG => 1,
                _ => 0,
            };
            if inner == UNTIL_BREAK || (left == UNTIL_BREAK && inner > 0) {
                if depth == OPEN_MAX {
                    return self.refuse();
                }
                outer[depth] = left;
                depth += 1;
                left = inner;
            } else if inner > 0 {
                left = left.saturating_add(inner).min(COUNT_MAX);
            }
        }
    }

    fn open(&mut self, major: u8) -> u64 {
        let first = self.head();
        if first >> 5 != major {
            self.refuse();
            0
        } else if first & INFO == INFO_OPEN {
            UNTIL_BREAK
        } else {
            self.value.min(COUNT_MAX)
        }
    }

    fn string(&mut self, major: u8) -> &'b [u8] {
        let first = self.head();
        if first >> 5 == major && first & INFO != INFO_OPEN {
            return self.take(self.value);
        }
        self.refuse();
        &[]
    }

    /// Reads the first byte of a value, which is returned, and the number that belongs to it.
    #[inline(never)]
    fn head(&mut self) -> u8 {
        let &[first] = self.take(1) else { return INFO_RESERVED };
        self.value = match first & INFO {
            info @ ..24 => u64::from(info),
            info @ 24..28 => {
                let bytes = self.take(1 << (info - 24));
                bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte))
            }
            INFO_OPEN if !matches!(first >> 5, 0 | 1 | TAG) => 0,
            _ => {
                self.refuse();
                return INFO_RESERVED;
            }
        };
        first
    }

    #[inline(never)]
    fn take(&mut self, count: u64) -> &'b [u8] {
        let end = usize::try_from(count).ok().and_then(|count| self.at.checked_add(count));
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(found) => {
                self.at += found.len();
                found
            }
            None => {
                self.refuse();
                &[]
            }
        }
    }

    fn next_is(&mut self, byte: u8) -> bool {
        let is = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is);
        is
    }
}

/// The fields of an array or a map that is being read.
#[derive(Debug)]
pub struct Fields {
    left: u64,
    place: Option<u32>,
    seen: u32,
}

impl Fields {
    /// What [`next`](Self::next) gives after the last field, and at a fault.
    pub const END: u32 = u32::MAX;

    const UNKNOWN: u32 = u32::MAX - 1;

    /// The number of the next field, whose value is then to be read or skipped. None comes twice.
    #[inline(never)]
    pub fn next(&mut self, from: &mut Reader<'_>) -> u32 {
        let has_length = self.left != UNTIL_BREAK;
        let ended = if has_length { self.left == 0 } else { from.next_is(BREAK) };
        if ended || from.state != State::Sound {
            self.left = 0;
            return Self::END;
        }
        if has_length {
            self.left -= 1;
        }
        let number = match self.place {
            Some(place) => {
                self.place = Some(place.saturating_add(1).min(Self::UNKNOWN));
                place
            }
            None => match from.head() {
                first if first < INFO_RESERVED => from.value.min(Self::UNKNOWN.into()) as u32,
                first if first >> 5 == NEGATIVE => Self::UNKNOWN,
                _ => {
                    from.refuse();
                    return Self::END;
                }
            },
        };
        let bit = 1_u32.checked_shl(number).unwrap_or(0);
        if self.seen & bit != 0 {
            from.refuse();
            return Self::END;
        }
        self.seen |= bit;
        number
    }

    /// Refuses the whole if one of the fields that are `required`, a bit each, did not come.
    #[inline(never)]
    pub fn check(&self, from: &mut Reader<'_>, required: u32) {
        if self.seen & required != required {
            from.refuse();
        }
    }
}

/// Arrays and maps without a length that [`Reader::skip`] follows into one another; more are a fault.
const OPEN_MAX: usize = 32;

/// Stands for the count of what ends with a break.
const UNTIL_BREAK: u64 = u64::MAX;
const COUNT_MAX: u64 = UNTIL_BREAK - 1;

const NEGATIVE: u8 = 1;
const TAG: u8 = 6;

/// The part of a value's first byte that is, or tells, a number.
const INFO: u8 = 0x1f;
/// A first byte that no sound value has: an unsigned number of a reserved length.
const INFO_RESERVED: u8 = 0x1c;
/// No length is given; a break ends it.
const INFO_OPEN: u8 = 0x1f;

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
pub(super) const NULL: u8 = 0xf6;
const BREAK: u8 = 0xff;
