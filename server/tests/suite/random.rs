//! Devices that repeat, overlap, fork and lose answers at random: each event is in the log once,
//! in the order of its stream.

use std::collections::BTreeMap;

use bellwether_server::store::Memory;
use bellwether_shared::base::Seq;
use bellwether_shared::rules::chain::{self, Hash};
use bellwether_shared::wire::{self, Former, Verdict};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::contract::{ids, memory, push, read};
use crate::device::{Device, event};

/// One thing that a device does. Listed in the order in which a failing case is simplest.
#[derive(Debug, Clone)]
enum Step {
    /// Sends places from anywhere up to some new ones, as one batch.
    Send { device: Index, from: Index, new: u8 },
    /// Sends something else at a taken place.
    Differ { device: Index, at: Index },
    /// Begins a new incarnation, and sends everything again.
    Fork { device: Index },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<Index>(), any::<Index>(), 0..4u8)
            .prop_map(|(device, from, new)| Step::Send { device, from, new }),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(device, at)| Step::Differ { device, at }),
        1 => any::<Index>().prop_map(|device| Step::Fork { device }),
    ]
}

/// A device, with all it has ever sealed.
struct Writer {
    device: Device,
    events: Vec<Vec<u8>>,
    genesis: Hash,
    lives: u8,
}

impl Writer {
    fn new(number: u8) -> Self {
        let device = Device::new(number, "s", "ann");
        Self { genesis: device.head, device, events: Vec::new(), lives: 0 }
    }

    fn head_before(&self, place: usize) -> Hash {
        chain::head_after(self.genesis, self.events[..place].iter().map(Vec::as_slice))
    }

    async fn play(&mut self, store: &Memory, step: &Step, number: usize) {
        match step {
            Step::Send { from, new, .. } => {
                let from = from.index(self.events.len() + 1);
                for extra in 0..*new {
                    // Each third is of a kind that is refused.
                    let type_ = if (number + usize::from(extra)).is_multiple_of(3) {
                        "refuse"
                    } else {
                        "plain"
                    };
                    let id = format!("{}-{number}-{extra}", self.device.stream.device.0[0]);
                    self.events.push(event(type_, &id));
                }
                self.send(store, from).await;
            }
            Step::Differ { at, .. } if !self.events.is_empty() => {
                let at = at.index(self.events.len());
                let other = event("plain", &format!("other-{number}"));
                let first = Seq(at as u64 + 1);
                let batch = self.device.push_at(first, self.head_before(at), &[other]);
                assert_eq!(push(store, &batch).await.verdict, Verdict::Forked { at: first });
            }
            Step::Differ { .. } => {}
            Step::Fork { .. } => {
                self.lives += 1;
                let head = self.head_before(self.events.len());
                let former =
                    Former { incarnation: self.device.stream.incarnation, head: head.into() };
                let number = self.device.stream.device.0[0] + 16 * self.lives;
                self.device = self.device.reborn(number, Some(former));
                self.genesis = self.device.head;
                self.send(store, 0).await;
            }
        }
    }

    async fn send(&self, store: &Memory, from: usize) {
        let events = self.events[from..].to_vec();
        if events.is_empty() {
            return;
        }
        let batch = self.device.push_at(Seq(from as u64 + 1), self.head_before(from), &events);
        let answer = push(store, &batch).await;
        assert_eq!(answer.verdict, Verdict::Taken);
        assert_eq!(answer.through, Seq(self.events.len() as u64));
        assert_eq!(answer.results.len(), events.len());
        assert!(
            answer.results.iter().zip(batch.first.0..).all(|(result, seq)| result.seq.0 == seq)
        );
    }
}

proptest! {
    #[test]
    fn each_event_is_in_the_log_once_and_in_order(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime starts").block_on(async {
            let store = memory();
            let mut writers = [Writer::new(1), Writer::new(2), Writer::new(3)];
            for (number, step) in steps.iter().enumerate() {
                let (Step::Send { device, .. } | Step::Differ { device, .. } | Step::Fork { device }) = step;
                writers[device.index(3)].play(&store, step, number).await;
            }
            let page = read(&store, "", "s", 0, 1_000).await;
            let dense = page.events.iter().zip(1..).all(|(event, offset)| event.offset == offset);
            assert!(dense && page.head == page.events.len() as u64);
            let mut by_device: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
            for event in &page.events {
                by_device.entry(event.device.0[0]).or_default().push(event.sealed.to_vec());
            }
            assert!(ids(&page).iter().all(|id| !id.starts_with("other")));
            for writer in &writers {
                let plain = |sealed: &Vec<u8>| {
                    let event: wire::Event<'_> =
                        wire::decode(sealed).expect("tests seal well");
                    event.type_ == "plain"
                };
                let expected: Vec<_> = writer.events.iter().filter(|sealed| plain(sealed)).cloned().collect();
                let found = by_device.remove(&writer.device.stream.device.0[0]).unwrap_or_default();
                assert_eq!(found, expected);
            }
        });
    }
}
