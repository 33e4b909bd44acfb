//! Bindings: members of an event's data that are taken from its prerequisite's result (OUT-16).
//!
//! What always holds:
//! - what no binding touches keeps its text, numbers and order of members included;
//! - a text is looked through once for each step of a pointer's depth at most, however many bindings
//!   there are;
//! - a binding sets a member of an object that is there, an element that is there, or what comes after the
//!   last element; nothing else is made for it.
//!
//! Not here: which result, and what becomes of an event without one; see `prerequisite.rs`.

use std::borrow::Cow;
use std::fmt;

use bellwether_shared::base::limits;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::bounds::{BIND_STEPS_MAX, BINDS_MAX};

/// Why an event's bindings cannot be read. The app has written them wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindsUnfit {
    /// They are not what they should be.
    #[error("the event's binds are not an object of JSON pointers: {0}")]
    Malformed(Box<str>),
    /// There is nothing to take from.
    #[error("the event has binds and no prerequisite to take from; name one in `after`")]
    Lonely,
    /// There are too many.
    #[error("the event has {found} binds, at most {BINDS_MAX} are taken")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// A text is no JSON pointer.
    #[error("{0:?} is no JSON pointer (RFC 6901) of at most {BIND_STEPS_MAX} steps")]
    Pointer(Box<str>),
}

/// Why the bindings of an event cannot be carried out with this result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unbound {
    /// The result has nothing there.
    #[error("the prerequisite's result has nothing at {0:?}")]
    Missing(Box<str>),
    /// The data has no place there.
    #[error("the event's data cannot be set at {0:?}")]
    Unsettable(Box<str>),
    /// The data has become too large.
    #[error(
        "the event's data has {found} bytes with its bindings, at most {} are taken",
        limits::EVENT_DATA_BYTES_MAX
    )]
    TooLarge {
        /// How many bytes.
        found: usize,
    },
}

/// Pointers into an event's data, and where in its prerequisite's result each value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binds(Vec<(Pointer, Pointer)>);

impl Binds {
    /// Reads them from an event's text.
    ///
    /// # Errors
    /// The text is no object of pointers, or has too many.
    pub fn read(text: &[u8]) -> Result<Self, BindsUnfit> {
        let members: Members<'_, Text<'_>> = serde_json::from_slice(text)
            .map_err(|fault| BindsUnfit::Malformed(fault.to_string().into()))?;
        let found = members.0.len();
        if found > BINDS_MAX {
            return Err(BindsUnfit::TooMany { found });
        }
        let pair = |(into, from): &(Cow<'_, str>, Text<'_>)| {
            Ok((Pointer::read(into)?, Pointer::read(&from.0)?))
        };
        members.0.iter().map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is nothing to bind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `data` with each value of `result` in its place, in the order in which they are named.
    ///
    /// # Errors
    /// A value is not there, or has no place, or they are too large together.
    pub fn apply(&self, data: Option<&[u8]>, result: Option<&[u8]>) -> Result<Vec<u8>, Unbound> {
        let result = result.and_then(|text| serde_json::from_slice::<&RawValue>(text).ok());
        let data = data.and_then(|text| serde_json::from_slice::<&RawValue>(text).ok());
        let mut root = data.map_or_else(|| Node::Object(Vec::new()), Node::Closed);
        for (into, from) in &self.0 {
            let value = result.and_then(|result| from.find(result));
            let value = value.ok_or_else(|| Unbound::Missing(from.text()))?;
            let place = root.place(into).ok_or_else(|| Unbound::Unsettable(into.text()))?;
            *place = Node::Closed(value);
        }
        let mut bound = Vec::new();
        root.write(&mut bound);
        if bound.len() > limits::EVENT_DATA_BYTES_MAX {
            return Err(Unbound::TooLarge { found: bound.len() });
        }
        Ok(bound)
    }
}

/// A JSON pointer, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pointer(Vec<String>);

impl Pointer {
    fn read(text: &str) -> Result<Self, BindsUnfit> {
        let unfit = || BindsUnfit::Pointer(text.into());
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let steps = text.strip_prefix('/').ok_or_else(unfit)?;
        if steps.split('/').count() > BIND_STEPS_MAX {
            return Err(unfit());
        }
        steps.split('/').map(unescaped).collect::<Option<_>>().map(Self).ok_or_else(unfit)
    }

    fn text(&self) -> Box<str> {
        let steps = self.0.iter().map(|step| step.replace('~', "~0").replace('/', "~1"));
        steps.fold(String::new(), |text, step| text + "/" + &step).into()
    }

    fn find<'r>(&self, result: &'r RawValue) -> Option<&'r RawValue> {
        let mut at = result;
        for step in &self.0 {
            at = match open(at)? {
                Node::Object(members) => {
                    members.into_iter().rev().find(|(name, _)| name == step)?.1.closed()?
                }
                Node::Array(items) => {
                    let index = index(step)?;
                    items.into_iter().nth(index)?.closed()?
                }
                Node::Closed(_) => return None,
            };
        }
        Some(at)
    }
}

fn unescaped(step: &str) -> Option<String> {
    let mut pieces = step.split('~');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (escaped, rest) = piece.split_at_checked(1)?;
        plain.push(match escaped {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        plain.push_str(rest);
    }
    Some(plain)
}

fn index(step: &str) -> Option<usize> {
    let is_number = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    let has_zeros = step.len() > 1 && step.starts_with('0');
    if is_number && !has_zeros { step.parse().ok() } else { None }
}

/// JSON that is opened as far as pointers lead into it.
enum Node<'b> {
    Closed(&'b RawValue),
    Object(Vec<(Cow<'b, str>, Self)>),
    Array(Vec<Self>),
}

impl<'b> Node<'b> {
    fn closed(self) -> Option<&'b RawValue> {
        match self {
            Self::Closed(value) => Some(value),
            Self::Object(_) | Self::Array(_) => None,
        }
    }

    /// The place to set. Of members with the same name it is the last, which is the one that is read.
    fn place(&mut self, pointer: &Pointer) -> Option<&mut Self> {
        let mut at = self;
        for (depth, step) in pointer.0.iter().enumerate() {
            let is_last = depth + 1 == pointer.0.len();
            if let Self::Closed(value) = at {
                *at = open(value)?;
            }
            at = match at {
                Self::Object(members) => {
                    let found = members.iter().rposition(|(name, _)| name == step);
                    let found = match found {
                        Some(found) => found,
                        None if is_last => {
                            members.push((step.clone().into(), Self::Array(Vec::new())));
                            members.len() - 1
                        }
                        None => return None,
                    };
                    &mut members.get_mut(found)?.1
                }
                Self::Array(items) => {
                    let found = if is_last && step == "-" {
                        items.push(Self::Array(Vec::new()));
                        items.len() - 1
                    } else {
                        index(step)?
                    };
                    items.get_mut(found)?
                }
                Self::Closed(_) => return None,
            };
        }
        Some(at)
    }

    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Closed(value) => to.extend_from_slice(value.get().as_bytes()),
            Self::Object(members) => {
                to.push(b'{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        to.push(b',');
                    }
                    serde_json::to_writer(&mut *to, name).expect("a text is written to memory");
                    to.push(b':');
                    value.write(to);
                }
                to.push(b'}');
            }
            Self::Array(items) => {
                to.push(b'[');
                for (at, value) in items.iter().enumerate() {
                    if at > 0 {
                        to.push(b',');
                    }
                    value.write(to);
                }
                to.push(b']');
            }
        }
    }
}

/// Opens an object or an array by one level.
fn open(value: &RawValue) -> Option<Node<'_>> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'{' => {
            let members: Members<'_, &RawValue> = serde_json::from_str(text).ok()?;
            let opened = members.0.into_iter().map(|(name, value)| (name, Node::Closed(value)));
            Some(Node::Object(opened.collect()))
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            Some(Node::Array(items.into_iter().map(Node::Closed).collect()))
        }
        _ => None,
    }
}

/// An object's members as they stand, those with the same name included.
struct Members<'b, V>(Vec<(Cow<'b, str>, V)>);

impl<'b, V: Deserialize<'b>> Deserialize<'b> for Members<'b, V> {
    fn deserialize<D: Deserializer<'b>>(from: D) -> Result<Self, D::Error> {
        struct Each<V>(std::marker::PhantomData<V>);
        impl<'b, V: Deserialize<'b>> Visitor<'b> for Each<V> {
            type Value = Members<'b, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'b>, V>()? {
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Each(std::marker::PhantomData))
    }
}

/// A text, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'b>(#[serde(borrow)] Cow<'b, str>);

#[cfg(test)]
mod tests;
