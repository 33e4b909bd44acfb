//! What a failure means, whom it costs a try, and when to try again (OUT-5).
//!
//! A failure of a whole request says little about any event in it: a proxy may have answered, the server
//! may be ill. So after enough of them the stream asks the server for its position, with a push that
//! carries nothing. If that succeeds, the server is well and the batch is the culprit: it is halved, until one
//! event is left, and only that one spends a try. If it fails too, there is an outage, and nobody spends anything.
//!
//! What always holds: a delay grows with failures in a row up to a bound, is spread by a quarter either way, and
//! is never shorter than what the server asked for.

use core::time::Duration;

use crate::base::{Culprit, Fault, Rng, Wall, limits};
use crate::rows::Options;
use crate::wire::{Answer, CBOR, PROBLEM_CBOR, Problem, code, from_cbor};

/// What came back for a push, as far as the driver can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// No answer, or not all of one: the server may or may not have stored the batch.
    Unreachable,
    /// It has not left: there is no credential to send it with, and no page of whoever it is sent for.
    Withheld,
    /// Some answer, perhaps the server's.
    Http {
        /// Its status.
        status: u16,
        /// Its media type, parameters and all; empty if it has none.
        content_type: Box<str>,
        /// Its `Retry-After`, if that is a number of seconds.
        retry_after_ms: Option<u32>,
        /// Its body.
        body: Vec<u8>,
    },
}

/// What a response means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// The server's answer.
    Answer(Box<Answer>),
    /// None, or none of ours.
    Failure(Failure),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    pub(super) fault: Fault,
    pub(super) retry_after_ms: Option<u32>,
}

/// What kind of failure, and so what it takes to suspect the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// Nothing came back. A batch may be too large for the line; no event is to blame.
    Unreachable,
    /// The server has asked for time.
    Throttled,
    /// The credential is missing, or was refused.
    Unauthorized,
    /// The credential is valid, and does not cover this stream.
    Forbidden,
    /// A newer coordinator of this device has spoken in this incarnation.
    Superseded,
    /// The request was refused as a whole by whoever answered (4xx).
    Rejected,
    /// Whoever answered is ill (5xx), or is not the server.
    Ill,
}

impl FailureKind {
    /// Failures in a row after which the server is asked whether it is well; `None`: never.
    pub(super) fn patience(self) -> Option<u32> {
        match self {
            Self::Rejected => Some(1),
            Self::Ill | Self::Unreachable => Some(PATIENCE),
            Self::Throttled | Self::Unauthorized | Self::Forbidden | Self::Superseded => None,
        }
    }

    /// Whether an event that fails so, alone, at a server that is well, spends a try.
    pub(super) fn spends(self) -> bool {
        matches!(self, Self::Rejected | Self::Ill)
    }

    /// Whether the server is away as a whole, as far as one request can tell.
    pub(super) fn is_outage(self) -> bool {
        matches!(self, Self::Unreachable | Self::Ill)
    }

    /// Whether somebody has to act before it can go on.
    pub(super) fn blocks(self) -> bool {
        matches!(self, Self::Unauthorized | Self::Forbidden)
    }
}

/// Reads a response. Total: whatever bytes came, it is one or the other.
pub(super) fn hear(response: Response) -> Heard {
    let (status, content_type, retry_after_ms, body) = match response {
        Response::Unreachable => {
            return failure(
                FailureKind::Unreachable,
                "server-unreachable",
                "the server could not be reached",
                None,
            );
        }
        Response::Withheld => {
            let message = "whoever it is sent for has not signed in";
            return failure(FailureKind::Unauthorized, code::UNAUTHORIZED, message, None);
        }
        Response::Http { status, content_type, retry_after_ms, body } => {
            (status, content_type, retry_after_ms, body)
        }
    };
    if status == 200
        && is_of(&content_type, CBOR)
        && let Ok(answer) = from_cbor::<Answer>(&body, limits::ANSWER_BYTES_MAX)
    {
        return Heard::Answer(Box::new(answer));
    }
    let problem = problem_of(&content_type, &body);
    let wait = problem.as_ref().and_then(|problem| problem.retry_after_ms).or(retry_after_ms);
    let kind = match (status, problem.as_ref().map(|problem| &*problem.code)) {
        (408 | 415 | 425 | 429, _) => FailureKind::Throttled,
        (503, _) if wait.is_some() => FailureKind::Throttled,
        (401, _) => FailureKind::Unauthorized,
        (403, Some(_)) => FailureKind::Forbidden,
        (409, Some(code::HOST_SUPERSEDED)) => FailureKind::Superseded,
        (413, _) | (400..=499, Some(_)) => FailureKind::Rejected,
        _ => FailureKind::Ill,
    };
    match problem {
        Some(problem) => failure(kind, &problem.code, &problem.detail, wait),
        None => failure(
            kind,
            match kind {
                FailureKind::Throttled => code::THROTTLED,
                FailureKind::Unauthorized => code::UNAUTHORIZED,
                FailureKind::Rejected => code::BODY_TOO_LARGE,
                FailureKind::Unreachable
                | FailureKind::Forbidden
                | FailureKind::Superseded
                | FailureKind::Ill => "server-misbehaved",
            },
            "the answer did not come from a sync server",
            wait,
        ),
    }
}

/// Whether this media type is a known one, whatever its parameters.
pub fn is_of(content_type: &str, known: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case(known)
}

/// The problem that a body tells of, if it does.
pub fn problem_of(content_type: &str, body: &[u8]) -> Option<Problem> {
    is_of(content_type, PROBLEM_CBOR)
        .then(|| from_cbor::<Problem>(body, limits::ANSWER_BYTES_MAX).ok())
        .flatten()
}

/// A failure of this kind; a wait is believed up to its bound.
pub(super) fn failure(
    kind: FailureKind,
    code: &str,
    message: &str,
    retry_after_ms: Option<u32>,
) -> Heard {
    let retry_after_ms = retry_after_ms.map(|wait| wait.min(limits::RETRY_AFTER_MS_MAX));
    Heard::Failure(Failure {
        kind,
        fault: Fault::new(code, Culprit::Server, message),
        retry_after_ms,
    })
}

/// When to try again after `failures` in a row.
pub(super) fn due(
    at: Wall,
    failures: u32,
    retry_after_ms: Option<u32>,
    options: &Options,
    rng: &mut Rng,
) -> Wall {
    let doublings = failures.saturating_sub(1).min(31);
    let delay = (u64::from(options.base_delay_ms) << doublings).min(options.max_delay_ms.into());
    let delay = rng.jitter(delay).max(retry_after_ms.unwrap_or(0).into());
    at.after(Duration::from_millis(delay))
}

/// A stored due time, believed only as far as any delay could have set it: the clock may have jumped.
pub(super) fn clamp_due(due: Wall, now: Wall) -> Wall {
    due.min(now.after(Duration::from_millis(limits::RETRY_AFTER_MS_MAX.into())))
}

/// Failures in a row that may be anybody's.
pub(super) const PATIENCE: u32 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{PROBLEM_CBOR, to_cbor};

    fn http(status: u16, content_type: &str, body: &[u8]) -> Response {
        Response::Http {
            status,
            content_type: content_type.into(),
            retry_after_ms: None,
            body: body.to_vec(),
        }
    }

    fn problem_of(status: u16, code: &str, wait: Option<u32>) -> Problem {
        Problem {
            code: code.into(),
            status,
            culprit: Culprit::Server,
            retryable: true,
            retry_after_ms: wait,
            detail: "".into(),
            floor: None,
        }
    }

    fn problem(status: u16, code: &str, wait: Option<u32>) -> Response {
        http(status, PROBLEM_CBOR, &to_cbor(&problem_of(status, code, wait)))
    }

    #[test]
    fn each_response_is_of_one_kind() {
        use FailureKind::{
            Forbidden, Ill, Rejected, Superseded, Throttled, Unauthorized, Unreachable,
        };
        #[rustfmt::skip]
        let cases = [
            ("nothing came back",        Response::Unreachable,                        Unreachable),
            ("it has not left",          Response::Withheld,                           Unauthorized),
            ("a proxy's page",           http(404, "text/html", b"<h1>no</h1>"),       Ill),
            ("a captive portal",         http(200, "text/html", b"<h1>hi</h1>"),       Ill),
            ("ours, shouted",            http(413, "Application/Problem+CBOR", &to_cbor(&problem_of(400, "malformed", None))), Rejected),
            ("ours cut short",           http(200, "application/cbor", &[0x89]),       Ill),
            ("the server is ill",        problem(500, "internal", None),               Ill),
            ("a gateway is ill",         http(502, "", b""),                           Ill),
            ("unavailable, with a wait", problem(503, "unavailable", Some(5)),         Throttled),
            ("unavailable, without",     problem(503, "unavailable", None),            Ill),
            ("throttled",                problem(429, "throttled", Some(5)),           Throttled),
            ("throttled by a proxy",     http(429, "text/html", b""),                  Throttled),
            ("too early",                http(425, "", b""),                           Throttled),
            ("no credential",            problem(401, "unauthorized", None),           Unauthorized),
            ("not this session",         problem(403, "forbidden", None),              Forbidden),
            ("a firewall's page",        http(403, "text/html", b""),                  Ill),
            ("a newer host has spoken",  problem(409, "host-superseded", None),        Superseded),
            ("refused as a whole",       problem(400, "malformed", None),              Rejected),
            ("too large",                problem(413, "body-too-large", None),         Rejected),
            ("too large for a proxy",    http(413, "text/html", b""),                  Rejected),
        ];
        for (shows, response, expected) in cases {
            match hear(response) {
                Heard::Failure(failure) => assert_eq!(failure.kind, expected, "{shows}"),
                Heard::Answer(_) => panic!("{shows}: taken for an answer"),
            }
        }
    }

    fn any_response() -> impl Strategy<Value = (Response, u16, Option<String>, Option<u32>)> {
        const CODES: &[&str] =
            &["malformed", "host-superseded", "throttled", "internal", "of-the-future"];
        let ours = (prop::sample::select(CODES), prop::option::of(any::<u32>()));
        let header = prop::option::of(any::<u32>());
        (200..600_u16, prop::option::of(ours), header, any::<Vec<u8>>()).prop_map(
            |(status, ours, header, page)| {
                let (media, body) = match ours {
                    Some((code, wait)) => (PROBLEM_CBOR, to_cbor(&problem_of(status, code, wait))),
                    None => ("text/html", page),
                };
                let wait = ours.and_then(|(_, wait)| wait).or(header);
                let response = Response::Http {
                    status,
                    content_type: media.into(),
                    retry_after_ms: header,
                    body,
                };
                (response, status, ours.map(|(code, _)| code.to_owned()), wait)
            },
        )
    }

    proptest! {
        /// A try may be spent only for an answer that blames the request: never for a cut connection, a credential, a
        /// server that asks for time, or one that a newer host has spoken to. And whoever waits is not kept waiting for
        /// longer than is believed.
        #[test]
        fn tries_are_spent_only_where_the_request_is_to_blame(drawn in any_response()) {
            let (response, status, code, wait) = drawn;
            let Heard::Failure(failure) = hear(response) else { panic!("taken for an answer") };
            let Failure { kind, fault, retry_after_ms } = failure;
            prop_assert_eq!(retry_after_ms, wait.map(|wait| wait.min(limits::RETRY_AFTER_MS_MAX)));
            prop_assert!(!fault.code.is_empty());
            let asks_for_time = matches!(status, 408 | 415 | 425 | 429) || (status == 503 && wait.is_some());
            let is_ours = code.is_some();
            let superseded = status == 409 && code.as_deref() == Some("host-superseded");
            let about_somebody = status == 401 || (status == 403 && is_ours);
            prop_assert_eq!(kind.spends(), !asks_for_time && !superseded && !about_somebody);
            prop_assert_eq!(kind.blocks(), about_somebody);
            // Only what can cost a try, or what a smaller batch may mend, is worth asking the server for.
            prop_assert_eq!(kind.patience().is_some(), kind.spends());
            // A stranger's refusal is no verdict over the batch: it takes as many of them as an ill server does.
            let refuses = (400..500).contains(&status) && (is_ours || status == 413);
            prop_assert_eq!(kind == FailureKind::Rejected, refuses && kind.spends());
        }

        #[test]
        fn no_bytes_are_too_strange_to_be_heard(status in any::<u16>(), body: Vec<u8>, ours: bool) {
            let media = if ours { CBOR } else { PROBLEM_CBOR };
            let _ = hear(http(status, media, &body));
        }

        /// Through an outage of any length, under any options: each delay is within a quarter of one that doubles up to
        /// its bound, never shorter than the server asked for, and never beyond what is believed on a restart.
        #[test]
        fn delays_grow_to_their_bound_and_honour_the_servers(
            base: u32, max: u32, waits in prop::collection::vec(prop::option::of(any::<u32>()), 1..50), seed: u64,
            now in 0..1_u64 << 53,
        ) {
            let options = Options { base_delay_ms: base, max_delay_ms: max, ..Options::default() }.bounded();
            let (base, max) = (u64::from(options.base_delay_ms), u64::from(options.max_delay_ms));
            let mut rng = crate::base::Rng::new(seed);
            let mut before = 0;
            for (failures, wait) in (1..).zip(waits) {
                let wait = wait.map(|wait| wait.min(limits::RETRY_AFTER_MS_MAX));
                let due = due(Wall(now), failures, wait, &options, &mut rng);
                let delay = due.0 - now;
                let wished = (base << (failures - 1).min(30)).min(max);
                prop_assert!(wished >= before, "an outage does not shorten its delays");
                before = wished;
                let asked = u64::from(wait.unwrap_or(0));
                prop_assert!(delay >= asked.max(wished - wished / 4));
                prop_assert!(delay <= asked.max(wished + wished / 4));
                prop_assert!(base - base / 4 <= delay && delay <= asked.max(max + max / 4));
                // A clock that has been put back by a year does not make it wait for one.
                let later = Wall(now.saturating_sub(365 * 24 * 3_600_000));
                prop_assert!(clamp_due(due, later).since(later) <= Duration::from_millis(limits::RETRY_AFTER_MS_MAX.into()));
                prop_assert!(clamp_due(due, due) == due && clamp_due(due, Wall(now)) <= due);
            }
        }
    }
}
