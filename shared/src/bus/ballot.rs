//! What pages say to one another where they elect one of them over the bus alone (LEAD-8).
//!
//! What always holds: any of these may be lost, repeated or late, and each says of which term it is.

use super::BusFault;
use super::envelope::Envelope;
use crate::base::codec::{Reader, array, read_one};
use crate::base::{Epoch, PageId, RequestId, limits};
use crate::wire::to_cbor;

/// A word of one page to all others. Whose it is the envelope says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ballot {
    /// The newest term that its page has heard of. The epoch of whoever leads in it.
    pub term: Epoch,
    /// What it says.
    pub call: Call,
}

/// What a page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It is there, and asks who else is.
    Comes,
    /// It is there.
    Here,
    /// It would lead.
    Stands,
    /// It votes for this page, and for no other in this term.
    Votes(PageId),
    /// It leads.
    Leads,
    /// It does not lead any more, or goes.
    Gone,
}

struct Body {
    term: Epoch,
    /// Whom it votes for.
    page: Option<PageId>,
}

array!(Body { 0: term, 1: page });

impl Ballot {
    // The other words between pages have the kinds before.
    const COMES: u8 = 3;
    const HERE: u8 = 4;
    const STANDS: u8 = 5;
    const VOTES: u8 = 6;
    const LEADS: u8 = 7;
    const GONE: u8 = 8;

    /// The message with its header.
    #[must_use]
    pub fn seal(self, build: &str, sender: PageId) -> Vec<u8> {
        let (kind, page) = match self.call {
            Call::Comes => (Self::COMES, None),
            Call::Here => (Self::HERE, None),
            Call::Stands => (Self::STANDS, None),
            Call::Votes(page) => (Self::VOTES, Some(page)),
            Call::Leads => (Self::LEADS, None),
            Call::Gone => (Self::GONE, None),
        };
        let body = to_cbor(&Body { term: self.term, page });
        // The header's epoch is that of a coordinator; a term may never have one.
        let blank = Envelope::blank(build, sender, RequestId(0), Epoch(0));
        Envelope { kind, body: &body, ..blank }.seal()
    }

    /// Reads the body; `None` for a kind that this build does not know.
    pub fn open(envelope: &Envelope<'_>) -> Result<Option<Self>, BusFault> {
        if !(Self::COMES..=Self::GONE).contains(&envelope.kind) {
            return Ok(None);
        }
        if envelope.body.len() > limits::BUS_BYTES_MAX {
            return Err(BusFault::Malformed);
        }
        let mut from = Reader::new(envelope.body);
        let Body { term, page } = read_one(&mut from);
        from.finish().map_err(|_| BusFault::Malformed)?;
        let call = match envelope.kind {
            Self::COMES => Call::Comes,
            Self::HERE => Call::Here,
            Self::STANDS => Call::Stands,
            Self::VOTES => Call::Votes(page.ok_or(BusFault::Malformed)?),
            Self::LEADS => Call::Leads,
            _ => Call::Gone,
        };
        Ok(Some(Self { term, call }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn calls() -> impl Strategy<Value = Call> {
        prop_oneof![
            Just(Call::Comes),
            Just(Call::Here),
            Just(Call::Stands),
            any::<[u8; 16]>().prop_map(|id| Call::Votes(PageId(id))),
            Just(Call::Leads),
            Just(Call::Gone),
        ]
    }

    proptest! {
        #[test]
        fn each_ballot_is_read_as_it_was_said(term: u64, call in calls(), sender: [u8; 16]) {
            let ballot = Ballot { term: Epoch(term), call };
            let bytes = ballot.seal("build", PageId(sender));
            let envelope = Envelope::read(&bytes).expect("our own envelope");
            prop_assert_eq!(envelope.sender, PageId(sender));
            prop_assert_eq!(Ballot::open(&envelope), Ok(Some(ballot)));
            for cut in 0..envelope.body.len() {
                let cut = Envelope { body: &envelope.body[..cut], ..envelope.clone() };
                prop_assert_eq!(Ballot::open(&cut), Err(BusFault::Malformed));
            }
        }

        #[test]
        fn any_bytes_are_a_ballot_or_malformed(kind in 3_u8..=8, body: Vec<u8>) {
            let blank = Envelope::blank("build", PageId([1; 16]), RequestId(0), Epoch(0));
            let opened = Ballot::open(&Envelope { kind, body: &body, ..blank.clone() });
            let Ok(Some(ballot)) = opened else { return Ok(()) };
            let again = ballot.seal("build", PageId([1; 16]));
            let again = Envelope::read(&again).expect("our own envelope");
            prop_assert_eq!(again.kind, kind);
            prop_assert_eq!(Ballot::open(&again), Ok(Some(ballot)));
        }
    }

    #[test]
    fn what_is_no_ballot_is_refused_or_left_alone() {
        let body = |page| to_cbor(&Body { term: Epoch(1), page });
        let (none, some) = (body(None), body(Some(PageId([1; 16]))));
        let short = [0x82, 0x01, 0x42, 0, 0];
        #[rustfmt::skip]
        let cases = [
            // what it shows         kind  body    whether it is one
            ("a vote for nobody",    6,    &none[..], Err(BusFault::Malformed)),
            ("a vote for half",      6,    &short, Err(BusFault::Malformed)),
            ("nothing",              3,    &[],    Err(BusFault::Malformed)),
            ("no array",             4,    &[1],   Err(BusFault::Malformed)),
            ("a name too many",      3,    &some,  Ok(true)),
            ("another word",         2,    &none,  Ok(false)),
            ("a kind of the future", 9,    &none,  Ok(false)),
        ];
        for (shows, kind, body, expected) in cases {
            let blank = Envelope::blank("build", PageId([1; 16]), RequestId(0), Epoch(0));
            let opened = Ballot::open(&Envelope { kind, body, ..blank });
            assert_eq!(opened.map(|ballot| ballot.is_some()), expected, "{shows}");
        }
    }
}
