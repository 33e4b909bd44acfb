//! The server's own bounds, beside those that client and server share.
//!
//! Sizes are bytes, times are milliseconds. The relations between them are asserted at compile time.

use bellwether_shared::base::limits;

/// The body of one push in CBOR.
pub const CBOR_BODY_BYTES_MAX: usize = limits::PUSH_BYTES_MAX;
/// The body of one push in JSON, where byte strings are hex.
pub const JSON_BODY_BYTES_MAX: usize = 2 * limits::PUSH_BYTES_MAX + 64 * 1024;
/// The body of any other request.
pub const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;
/// Results of effects in one answer; at the bound the prefix ends, and the rest is asked for again.
pub const ANSWER_RESULT_BYTES_MAX: usize = 1024 * 1024;
/// A refusal's text from the app's effect; what is beyond is cut off.
pub const MESSAGE_BYTES_MAX: usize = 1_000;
/// A refusal's code from the app's effect; what is beyond is cut off.
pub const CODE_BYTES_MAX: usize = 100;
/// Bindings of one event.
pub const BINDS_MAX: usize = 32;
/// Steps of one pointer of a binding; each may cost a look through the whole text.
pub const BIND_STEPS_MAX: usize = 32;
/// When an event comes again whose prerequisite is not known.
pub const PREREQUISITE_RETRY_AFTER_MS: u32 = limits::DELAY_MS_BASE;
/// Sealed bytes and bound data in one page of the log, unless a single event alone is larger.
pub const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Events in one page of the log, where the reader names no limit.
pub const PAGE_EVENTS: u32 = 100;
/// Events in one page of the log.
pub const PAGE_EVENTS_MAX: u32 = 1_000;
/// Bytes of one part of an audit, unless a single record alone is larger.
pub const AUDIT_PART_BYTES: usize = 256 * 1024;
/// Places that an audit reads at once.
pub const AUDIT_PLACES: u64 = 500;
/// One record of an audit.
pub const AUDIT_RECORD_BYTES_MAX: usize = 512 * 1024;
/// An audit that is checked for a demonstration.
pub const AUDIT_CHECK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Keys of plain requests that a demonstration remembers.
pub const ECHO_KEYS_MAX: usize = 10_000;
/// How long a ticket for a farewell is good.
pub const TICKET_AGE_MS: u64 = 15 * 60_000;
/// Events that lose their bodies in one step of compaction.
pub const COMPACT_EVENTS: u64 = 500;
/// Bodies that go in one step of compaction, unless a single one alone is larger.
pub const COMPACT_BYTES: usize = 1024 * 1024;
/// The pause between two steps of compaction.
pub const COMPACT_PAUSE_MS: u64 = 2;
/// The pause after all sessions were looked at for what goes.
pub const COMPACT_REST_MS: u64 = 60_000;
/// Events of a session that are kept where nothing else is said.
pub const KEEP_EVENTS: u64 = 100_000;
/// Days for which events are kept where nothing else is said.
pub const KEEP_DAYS: u64 = 90;
/// The least number of events that can be kept, if their number is what counts.
pub const KEEP_EVENTS_MIN: u64 = LIVE_LAG_MAX;
/// Pushes that wait for the writer; at the bound a push is told to come again.
pub const WRITER_QUEUE_MAX: usize = 64;
/// Pushes in one transaction.
pub const GROUP_PUSHES_MAX: usize = 32;
/// Calls of a webhook at once.
pub const WEBHOOK_CALLS_MAX: usize = 64;
/// Pushes of one session that call a webhook at once; the others wait.
pub const WEBHOOK_SESSION_PUSHES_MAX: usize = 8;
/// How long a push goes on calling; what is left of it comes again.
pub const WEBHOOK_BUDGET_MS: u64 = 5_000;
/// How long one call may take.
pub const WEBHOOK_TIMEOUT_MS_MAX: u64 = 10_000;
/// A webhook's reply that is looked at.
pub const WEBHOOK_REPLY_BYTES_MAX: usize = 64 * 1024;
/// Connections that are served at once; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Those who wait for news of a log at once, of all the connections there are.
pub const LIVE_MAX: usize = 3_072;
/// How far behind a reader of a live log may be and still be told of each event.
pub const LIVE_LAG_MAX: u64 = 1_000;
/// What was read last for those who follow a log, and is kept for the next of them.
pub const LIVE_TAIL_BYTES_MAX: usize = 16 * 1024;
/// What is read at once of what a reader says over a socket; each has such a buffer.
pub const SOCKET_BUFFER_BYTES: usize = 1024;
/// How often a live log says that it is there, if nothing happens.
pub const LIVE_ALIVE_MS: u64 = 15_000;
/// How long a reader of a live log may take to take what he is told.
pub const LIVE_TAKE_MS_MAX: u64 = 2 * LIVE_ALIVE_MS;
/// How long a reader of a live log is told to wait before he comes again: from this…
pub const LIVE_RETRY_MS_MIN: u64 = 1_000;
/// … to this, each for another time.
pub const LIVE_RETRY_MS_MAX: u64 = 10_000;
/// What a reader may say over a socket; none of it means anything.
pub const SOCKET_MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Questions without an answer, one each [`LIVE_ALIVE_MS`], after which a reader is gone.
pub const SOCKET_SILENT_QUESTIONS_MAX: u32 = 2;
/// How long the other end of a socket may take to close it, too.
pub const CLOSE_TIMEOUT_MS: u64 = 1_000;
/// How long a reader of the log may wait for news.
pub const WAIT_MS_MAX: u64 = 55_000;
/// How long a sender may take for the head of a request, the pause before it included: longer than
/// browsers keep a connection that rests, so that it is mostly they who end it.
pub const HEAD_TIMEOUT_MS: u64 = 310_000;
/// How long a sender may take for a body.
pub const BODY_TIMEOUT_MS: u64 = 30_000;
/// How long the requests that run are waited for at the end.
pub const SHUTDOWN_MS_MAX: u64 = 5_000;
/// The largest number that every store and every reader of JSON keeps exactly.
pub const COUNT_MAX: u64 = (1 << 53) - 1;

const _: () = assert!(limits::ENTRY_BYTES_MAX <= PAGE_BYTES_MAX);
// There is always room for those who push.
const _: () = assert!(LIVE_MAX <= CONNECTIONS_MAX * 3 / 4);
// Escaping at worst doubles a result in JSON, and codes and messages stand beside.
const _: () = assert!(
    2 * (ANSWER_RESULT_BYTES_MAX + limits::RESULT_BYTES_MAX)
        + limits::BATCH_EVENTS_MAX * 2 * (MESSAGE_BYTES_MAX + CODE_BYTES_MAX + 100)
        <= limits::ANSWER_BYTES_MAX
);
const _: () = assert!(limits::EVENT_BYTES_MAX + limits::EVENT_DATA_BYTES_MAX <= PAGE_BYTES_MAX);
// The last call begins within the budget, and a client waits for all of it.
const _: () = assert!(WEBHOOK_BUDGET_MS + WEBHOOK_TIMEOUT_MS_MAX <= limits::PUSH_TIMEOUT_MS as u64);
const _: () = assert!(limits::RESULT_BYTES_MAX <= WEBHOOK_REPLY_BYTES_MAX);
const _: () = assert!(
    limits::EVENT_BYTES_MAX + limits::RESULT_BYTES_MAX + 32 * limits::BATCH_EVENTS_MAX + 4_096
        <= AUDIT_RECORD_BYTES_MAX
);

/// The longest beginning of `text` that has at most `bound` bytes and ends between two characters.
#[must_use]
pub fn cut(text: &str, bound: usize) -> &str {
    let mut end = bound.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
