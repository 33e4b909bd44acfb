//! Every bound in the product, with the relations between them asserted at compile time.
//!
//! Sizes are bytes, times are milliseconds.

/// An event's id.
pub const EVENT_ID_BYTES_MAX: usize = 64;
/// An event's type.
pub const EVENT_TYPE_BYTES_MAX: usize = 200;
/// An event's ordering key.
pub const EVENT_KEY_BYTES_MAX: usize = 200;
/// An event's correlation id.
pub const CORRELATION_BYTES_MAX: usize = 200;
/// An event's body, as JSON text.
pub const EVENT_DATA_BYTES_MAX: usize = 256 * 1024;
/// What an event takes from its prerequisite's result, as JSON text.
pub const BINDS_BYTES_MAX: usize = 4 * 1024;
/// One sealed event, body and all.
pub const EVENT_BYTES_MAX: usize = EVENT_DATA_BYTES_MAX + BINDS_BYTES_MAX + 2 * 1024;
/// Names of sessions, users and channels.
pub const NAME_BYTES_MAX: usize = 200;
/// A server's base URL.
pub const URL_BYTES_MAX: usize = 2_000;
/// A bearer token.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// A key of the session's document, and a member's name below it.
pub const STATE_KEY_BYTES_MAX: usize = 200;
/// Keys of one session's document, the deleted ones included.
pub const STATE_KEYS_MAX: usize = 10_000;
/// How deep below its key a value can be changed.
pub const PATH_DEPTH_MAX: usize = 32;
/// Writes of one patch.
pub const PATCH_WRITES_MAX: usize = 1_000;
/// Places of one key that were written to on their own, or deleted.
pub const LEAVES_MAX: usize = 10_000;
/// After this the disk is asked what has become of a patch that another page has told of.
pub const TENTATIVE_MS_MAX: u64 = 5_000;
/// One key of the document as it is stored, with all its places.
pub const ENTRY_BYTES_MAX: usize = 1024 * 1024;

/// Events in one batch.
pub const BATCH_EVENTS_MAX: usize = 500;
/// Sealed bytes in one batch, unless a single event alone is larger.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// The body of one push, with room for everything around the events.
pub const PUSH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// A body of so many bytes may be worth compressing.
pub const COMPRESS_BYTES_MIN: usize = 4 * 1024;
/// The body of one answer.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// One message between a page and the coordinator.
pub const BUS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rows of a document that go with the word that they have changed; pages read more from the disk.
pub const FOLDED_BYTES_MAX: usize = 32 * 1024;
/// Items of a list, in whatever row or message: an item of one byte takes a hundred in memory.
pub const LIST_ITEMS_MAX: usize = 64 * 1024;
/// A result that the app's effect gives back for one event, as JSON text.
pub const RESULT_BYTES_MAX: usize = 16 * 1024;

/// Rows in the first read of the journal, when it is not known how large they are.
pub const READ_ROWS_FIRST: u32 = 400;
/// Rows in any later read.
pub const READ_ROWS_MAX: u32 = 1_000;
/// Bytes that a read of the journal is to bring, going by the size of the rows that the one before has brought.
pub const READ_BYTES: usize = 1024 * 1024;
/// Unsealed rows that one stream keeps in memory; what is beyond is read again later.
pub const BACKLOG_ROWS_MAX: usize = 2_048;
/// Unsealed bytes that one stream keeps in memory.
pub const BACKLOG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rows that a page writes in one transaction; so many do not wait for the transaction before.
pub const GROUP_ROWS_MAX: usize = 4_096;
/// Bytes that a page writes in one transaction.
pub const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events a page holds while the disk does not answer; at the bound `enqueue` refuses.
pub const PAGE_QUEUE_ROWS_MAX: usize = 100_000;

/// Answered events whose outcomes are kept on the device.
pub const DONE_EVENTS_MAX: u64 = 10_000;
/// How long outcomes are kept on the device.
pub const DONE_AGE_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// Acknowledged events that are kept for a server that loses them.
pub const RETAINED_EVENTS_MAX: u64 = 5_000;
/// How long acknowledged events are kept for a server that loses them.
pub const RETAINED_AGE_MS_MAX: u64 = 24 * 3_600_000;

/// Dead letters kept, by default.
pub const DEAD_LETTERS_MAX: u32 = 50;
/// Tries of one event, by default.
pub const TRIES_MAX: u32 = 5;
/// First delay after a failure, by default.
pub const DELAY_MS_BASE: u32 = 1_000;
/// Longest delay after a failure, by default.
pub const DELAY_MS_MAX: u32 = 30_000;
/// Longest `Retry-After` that is believed.
pub const RETRY_AFTER_MS_MAX: u32 = 600_000;
/// How long a batch waits to be filled, by default.
pub const BATCH_AGE_MS: u32 = 50;
/// How long events that can wait let the others go first, at a stretch.
pub const YIELD_MS_MAX: u64 = 10_000;
/// How long one request to the server is left open.
pub const PUSH_TIMEOUT_MS: u32 = 15_000;

/// How long the coordinator works for one event of its host.
pub const SLICE_MS_MAX: u64 = 20_000;
/// Work under way that has not been heard of for this long has died with its host.
pub const ALARM_MS: u64 = 5_000;
/// How often the leading page wakes the coordinator at the most.
pub const PUMP_MS_MIN: u64 = 1_000;
/// Without news for this long beyond `wakeAt`, a page that does not lead wakes the coordinator.
pub const PUMP_PATIENCE_MS: u64 = 30_000;
/// While a page lives and something is pending, it wakes the coordinator at least this often, by default (OUT-4).
pub const SAFETY_NET_MS: u32 = 60_000;
/// The least that an app may make of it.
pub const SAFETY_NET_MS_MIN: u64 = 5_000;
/// A page that was not heard of for this long, and that the browser does not list, is gone.
pub const ROSTER_AGE_MS_MAX: u64 = 60_000;

/// How far beyond corrected wall time a peer's stamp may move our clock.
pub const STAMP_AHEAD_MS_MAX: u64 = 60_000;
/// A page-held lease that has not changed for this long may pass to a worker.
pub const LEASE_PATIENCE_MS: u64 = 10_000;
/// How often a page that leads renews its lease, or says so (LEAD-2).
pub const LEAD_BEAT_MS: u64 = 1_000;
/// A page that has not renewed its lease for this long does not lead any more.
pub const LEAD_TERM_MS: u64 = 3_000;
/// Pages that one page counts in a vote, itself included (LEAD-8).
pub const VOTERS_MAX: usize = 64;
/// A page that was not heard of for this long is not counted in a vote.
pub const VOTER_AGE_MS_MAX: u64 = 15_000;
/// A page that has something to hear says that it is there at least this often.
pub const VOTER_BEAT_MS: u64 = 5_000;
/// A realm takes the host's role at most this often.
pub const TAKE_MS_MIN: u64 = 60_000;

/// How long somebody who has written a lock's mark waits to see whether it stands.
pub const LOCK_SETTLE_MS: u64 = 50;
/// A lock's mark that was written longer after the look before it is not gone by.
pub const LOCK_GAP_MS: u64 = 10;
/// A lock's mark that stood unchanged for this long is nobody's.
pub const LOCK_EXPIRY_MS: u64 = 10_000;
/// How often a holder renews its mark. A page out of sight may run its timers once a second.
pub const LOCK_RENEW_MS: u64 = 2_500;

/// A part of a tape is put away when it has this many bytes.
pub const TAPE_CHUNK_BYTES: usize = 64 * 1024;
/// Bytes of one life's tape on disk, but for its first part and the last fact.
pub const TAPE_LIFE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Lives of the coordinator whose tapes are kept.
pub const TAPE_LIVES: u64 = 8;
/// Bytes of a page's tape, but for the last part.
pub const TAPE_PAGE_BYTES_MAX: usize = 1024 * 1024;

// Room for a write that others see 20 ms late, twice.
const _: () = assert!(LOCK_GAP_MS + 40 <= LOCK_SETTLE_MS);
const _: () = assert!(LOCK_RENEW_MS < LOCK_EXPIRY_MS / 2);
const _: () = assert!(PUSH_TIMEOUT_MS as u64 <= SLICE_MS_MAX);
const _: () = assert!(BATCH_BYTES_MAX + EVENT_BYTES_MAX <= PUSH_BYTES_MAX);
const _: () = assert!(BATCH_EVENTS_MAX <= LIST_ITEMS_MAX);
const _: () = assert!(LEAVES_MAX <= LIST_ITEMS_MAX);
// A farewell is cut at half of a message, and a journal row has more than 32 bytes.
const _: () = assert!(BUS_BYTES_MAX / 2 <= 32 * LIST_ITEMS_MAX);
const _: () = assert!(EVENT_BYTES_MAX <= BACKLOG_BYTES_MAX);
const _: () = assert!(RETAINED_EVENTS_MAX <= DONE_EVENTS_MAX);
const _: () = assert!(RETAINED_AGE_MS_MAX <= DONE_AGE_MS_MAX);
const _: () = assert!(BATCH_EVENTS_MAX <= BACKLOG_ROWS_MAX);
const _: () = assert!(READ_ROWS_MAX as usize <= BACKLOG_ROWS_MAX / 2);
const _: () = assert!(READ_BYTES <= BACKLOG_BYTES_MAX / 2);
const _: () = assert!(DELAY_MS_MAX <= RETRY_AFTER_MS_MAX);
const _: () = assert!(3 * LEAD_BEAT_MS <= LEAD_TERM_MS);
const _: () = assert!(LEAD_TERM_MS <= LEASE_PATIENCE_MS);
const _: () = assert!(2 * LEAD_TERM_MS < VOTER_AGE_MS_MAX);
const _: () = assert!(2 * (VOTER_BEAT_MS + LEAD_BEAT_MS) < VOTER_AGE_MS_MAX);
