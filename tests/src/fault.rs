//! Faults planted on purpose, to see that a checker finds each.

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Which faults the world has. None by default.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Planted {
            $($(#[doc = $doc])+ pub $name: bool,)+
        }

        impl Planted {
            /// No fault.
            pub const NONE: Self = Self { $($name: false),+ };

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
    // The coordinator, tampered with on its way to the driver.
    /// The worker deletes a batch's rows from the journal when the push is sent, not when it is answered.
    forget_early,
    /// A batch is sent without having been sealed on disk.
    seal_left_out,
    /// What the server said of a batch is not filed.
    outcome_left_out,
    /// An event that is buried leaves no letter.
    letter_left_out,
    /// What the app has given for an event that is queued is not written.
    change_left_out,
    /// An event that is cancelled stays where it is.
    cancelled_stays,
    /// What is wiped stays in the journal.
    wipe_keeps,
    /// A push leaves under whichever token is at hand.
    foreign_token,
    /// The status tells of one event less than there is.
    status_lies,
    /// A batch is put off for an hour more than was decided.
    puts_off_too_long,
    /// A patch that was taken is not kept beside the document until that has it.
    ahead_left_out,
    /// The last patch of what was asked for is skipped.
    patch_skipped,
    /// A coordinator that orders patches itself does not look at what they are built on.
    bases_ignored,

    // The drivers.
    /// A write is reported complete when it was asked for; a kill loses what was not written yet.
    complete_early,
    /// Now and then the driver loses a fact on its way to the machine.
    fact_dropped,
    /// No alarm is ever set.
    alarm_forgotten,
    /// A worker boots without raising the epoch.
    lease_kept,
    /// A page posts each request once; if it is lost, it stays lost.
    request_not_resent,
    /// Nobody looks at which versions of the bus a message is for.
    versions_unread,
    /// A page does not hear that the document has changed.
    changes_unheard,
    /// What a page has heard of another is never taken back.
    tentative_kept,
    /// A page shares what it should keep to itself.
    excluded_leaks,

    // The store.
    /// The disk writes whatever epoch and holder a batch names.
    no_epoch_check,
    /// The disk writes whoever has decided a batch, if only its epoch is the lease's.
    no_holder_check,
    /// Transactions run in any order; which breaks nothing, as what depends on a write waits for it.
    commits_overtake,
    /// A transaction that fails leaves its first half.
    half_written,
    /// A transaction that was aborted is taken for complete.
    aborts_unseen,
    /// The key generator begins after the last row that is there.
    positions_reused,
    /// A range is deleted up to the row after its last.
    spans_too_far,

    // The server.
    /// The server takes each push for a new one.
    no_repeats,
    /// The server knows no id from another stream.
    ids_forgotten,
    /// The server takes any batch at a known place for the one it knows.
    hashes_unchecked,
    /// The answer speaks for one event more than was taken.
    answer_too_far,
    /// A patch is taken, and the document stays as it was.
    entry_left_out,
    /// Two events of a log have one offset.
    offset_reused,
    /// The last two events of a push take effect in the other order.
    effects_swapped,
    /// An event takes effect, and is not in the log.
    effect_without_append,
    /// An event is in the log, and has not taken effect.
    append_without_effect,
    /// What was acknowledged is lost when the server is started again.
    restart_forgets,
    /// No event waits for its prerequisite.
    prerequisites_ignored,
    /// What an event takes from its prerequisite's result is left out.
    bindings_ignored,
    /// A plain request is answered before it is done, and never done.
    requests_dropped,
}
