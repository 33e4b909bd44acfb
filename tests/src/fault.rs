//! Faults planted on purpose, to see that a checker finds each.

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Which faults the world has. None by default.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Planted {
            $($(#[doc = $doc])+ pub $name: bool,)+
        }

        impl Planted {
            /// The names of all faults there are.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// Plants a fault by its name. `false` if there is none of that name.
            pub fn plant(&mut self, name: &str) -> bool {
                match name {
                    $(stringify!($name) => self.$name = true,)+
                    _ => return false,
                }
                true
            }

            /// The names of the planted faults.
            #[must_use]
            pub fn names(&self) -> Vec<&'static str> {
                let planted = [$((stringify!($name), self.$name)),+];
                planted.into_iter().filter_map(|(name, is)| is.then_some(name)).collect()
            }
        }
    };
}

faults! {
    /// The worker deletes a batch's rows from the journal when the push is sent, not when it is answered.
    forget_early,
    /// A write is reported complete when it was asked for; a kill loses what was not written yet.
    complete_early,
    /// The disk writes whatever epoch a batch names.
    no_epoch_check,
    /// The server takes each push for a new one.
    no_repeats,
}
