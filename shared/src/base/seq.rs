//! Counters, each of a type of its own, so that no two can be confused.

use super::codec::transparent;

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
        #[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name(pub u64);

        transparent!($name);

        impl $name {
            /// The next one.
            #[must_use]
            pub fn next(self) -> Self {
                self.plus(1)
            }

            /// The one `count` further on.
            #[must_use]
            pub fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }
        }
    };
}

counter! {
    /// Place of an event in its stream. The first is 1; 0 means "none yet".
    Seq
}
counter! {
    /// Place of a row in this device's journal, in the order of appending. The first is 1; there may be gaps.
    Position
}
counter! {
    /// Which coordinator; raised by one each time one boots. A write under an older epoch is refused.
    Epoch
}
counter! {
    /// Raised by a wipe; rows of an older generation are leftovers.
    Generation
}
counter! {
    /// Names something asked for, so that its answer finds back.
    Ticket
}
