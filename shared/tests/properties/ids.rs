//! Ids and their texts.

use bellwether_shared::base::{EventId, Incarnation, Rng, Wall, limits, uuid_v7};
use proptest::prelude::*;

proptest! {
    #[test]
    fn an_id_is_its_text(bytes: [u8; 16], at in any::<prop::sample::Index>(), other in any::<char>()) {
        let id = Incarnation(bytes);
        let text = id.to_string();
        prop_assert_eq!(text.len(), 36);
        prop_assert_eq!(Incarnation::parse(&text), Some(id));
        prop_assert_eq!(Incarnation::parse(&text.to_uppercase()), Some(id));
        let at = at.index(text.len());
        let changed: String = text.chars().enumerate().map(|(place, c)| if place == at { other } else { c }).collect();
        if let Some(read) = Incarnation::parse(&changed) {
            prop_assert_eq!(read.to_string(), changed.to_lowercase());
        }
        prop_assert_eq!(Incarnation::parse(&text[..at]), None);
    }

    /// Ids made later sort later, and any two moments' ids differ.
    #[test]
    fn an_event_id_is_fit_and_begins_with_its_time(at in 0..1_u64 << 48, random: [u8; 10]) {
        let id = EventId::from_uuid(Wall(at), random);
        prop_assert_eq!(EventId::new(id.as_str()), Ok(id.clone()));
        let bytes = uuid_v7(Wall(at), random);
        prop_assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (7, 2));
        let later = EventId::from_uuid(Wall((at + 1).min((1 << 48) - 1)), [0; 10]);
        prop_assert!(at + 1 == 1 << 48 || later > id);
    }

    #[test]
    fn a_text_is_an_id_only_within_its_bound(text in ".{0,70}") {
        let fits = (1..=limits::EVENT_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        prop_assert_eq!(EventId::new(&text).is_ok(), fits);
    }

    #[test]
    fn a_number_is_moved_by_a_quarter_at_the_most(seed: u64, value in 0..u64::MAX / 2) {
        let moved = Rng::new(seed).jitter(value);
        prop_assert!(moved >= value - value / 4 && moved <= value + value / 4);
        prop_assert_eq!(moved, Rng::new(seed).jitter(value), "the same seed, the same number");
    }
}
