//! Events that are plain requests, to servers that know nothing of us (OUT-14).
//!
//! A stream of them goes the usual way, one event in a batch: sealed on disk before it leaves, sent again
//! until it is answered. There is no second party to the protocol, so what came back is read as an answer here.
//!
//! What always holds: a request is sent at least once, under the same key each time, until a server has answered for it;
//! no outage costs it a try.

use super::retry::{FailureKind, Heard, Response, failure, hear};
use crate::base::{EventId, LogEpoch, Now, Seq, decimal, joined, limits};
use crate::wire::{Answer, EventHead, EventResult, Later, Outcome, Verdict, code, decode};

/// The one event that a request was made of.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) seq: Seq,
    pub(super) id: &'a EventId,
    pub(super) log_epoch: LogEpoch,
}

/// The request that an event holds; of one that holds none, nothing.
pub(super) fn request_of(sealed: &[u8]) -> Vec<u8> {
    let event = decode::<EventHead<'_>>(sealed).ok();
    event.and_then(|event| event.data).unwrap_or_default().to_vec()
}

/// What a response says of the event that it answers.
///
/// After RFC 9110 and, for 409, the draft on `Idempotency-Key`: a repeat that is still at work.
pub(super) fn read(response: Response, asked: &Asked<'_>, now: Now) -> Heard {
    let Response::Http { status, ref content_type, retry_after_ms, ref body } = response else {
        return hear(response);
    };
    let name: Box<str> = match status {
        // The driver could make no request of it.
        0 => "request-invalid".into(),
        _ => joined(&["http-", &decimal(status.into())]).into(),
    };
    let failed = |kind, code: &str| {
        let message = "the server that the request is for cannot take it now";
        failure(kind, code, message, retry_after_ms)
    };
    let outcome = match status {
        200..=299 => Outcome::ACCEPTED,
        401 => return failed(FailureKind::Unauthorized, code::UNAUTHORIZED),
        408 | 425 | 429 => return failed(FailureKind::Throttled, code::THROTTLED),
        502..=504 => return failed(FailureKind::Ill, &name),
        409 | 500..=599 => return Heard::Answer(Box::new(later(asked, name, retry_after_ms, now))),
        _ => Outcome::REFUSED,
    };
    let is_json = content_type.to_ascii_lowercase().starts_with("application/json");
    let told = is_json && !body.is_empty() && body.len() <= limits::RESULT_BYTES_MAX;
    let refused = outcome == Outcome::REFUSED;
    let result = EventResult {
        seq: asked.seq,
        outcome,
        offset: None,
        result: told.then(|| body.clone().into()),
        code: refused.then_some(name),
        message: refused.then(|| "the server that the request is for has refused it".into()),
    };
    Heard::Answer(Box::new(Answer {
        through: asked.seq,
        durable: asked.seq,
        results: vec![result],
        ..blank(asked, now)
    }))
}

fn later(asked: &Asked<'_>, name: Box<str>, retry_after_ms: Option<u32>, now: Now) -> Answer {
    let later = Later { seq: asked.seq, id: asked.id.clone(), code: name };
    Answer { later: Some(later), retry_after_ms, ..blank(asked, now) }
}

// Nothing is taken, and nothing is known of a log.
fn blank(asked: &Asked<'_>, now: Now) -> Answer {
    let before = Seq(asked.seq.0.saturating_sub(1));
    Answer {
        log_epoch: asked.log_epoch,
        verdict: Verdict::Taken,
        through: before,
        durable: before,
        results: Vec::new(),
        later: None,
        retry_after_ms: None,
        log_head: 0,
        server_time: now.wall,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Mono, Wall};

    fn heard(status: u16, content_type: &str, body: &[u8], wait: Option<u32>) -> Heard {
        let response = Response::Http {
            status,
            content_type: content_type.into(),
            retry_after_ms: wait,
            body: body.to_vec(),
        };
        let id = EventId::new("e7").expect("two letters are an id");
        let asked = Asked { seq: Seq(7), id: &id, log_epoch: LogEpoch([1; 16]) };
        read(response, &asked, Now { mono: Mono(0), wall: Wall(9) })
    }

    #[test]
    fn each_status_is_taken_refused_put_off_or_an_outage() {
        #[rustfmt::skip]
        let cases = [
            // what it shows                   status  heard
            ("done",                           200,    "accepted"),
            ("done, and nothing to say",       204,    "accepted"),
            ("a redirection not followed",     302,    "http-302"),
            ("refused",                        404,    "http-404"),
            ("the key names another request",  422,    "http-422"),
            ("no request at all",              0,      "request-invalid"),
            ("a repeat is still at work",      409,    "later http-409"),
            ("it fails",                       500,    "later http-500"),
            ("it cannot do that",              501,    "later http-501"),
            ("no credential",                  401,    "Unauthorized"),
            ("too much",                       429,    "Throttled"),
            ("a gateway",                      502,    "Ill"),
            ("away for a while",               503,    "Ill"),
        ];
        for (shows, status, expected) in cases {
            let said = match heard(status, "text/html", b"<h1>", None) {
                Heard::Failure(failure) => format!("{:?}", failure.kind),
                Heard::Answer(answer) => match (&answer.results[..], &answer.later) {
                    ([one], None) => {
                        assert_eq!((one.seq, answer.durable), (Seq(7), Seq(7)), "{shows}");
                        assert_eq!(one.result, None, "{shows}: HTML is no result");
                        one.code.as_deref().unwrap_or(one.outcome.name()).to_owned()
                    }
                    ([], Some(later)) => {
                        assert_eq!((answer.durable, later.seq), (Seq(6), Seq(7)), "{shows}");
                        format!("later {}", later.code)
                    }
                    (results, later) => panic!("{shows}: {results:?}, {later:?}"),
                },
            };
            assert_eq!(said, expected, "{shows}");
        }
    }

    #[test]
    fn a_body_of_json_is_the_result_and_a_wait_is_kept() {
        let result =
            |status, content_type, body: &[u8]| match heard(status, content_type, body, None) {
                Heard::Answer(answer) => answer.results[0].result.clone().map(Vec::from),
                Heard::Failure(failure) => panic!("{failure:?}"),
            };
        let large = vec![b'1'; limits::RESULT_BYTES_MAX + 1];
        assert_eq!(result(201, "Application/JSON; charset=utf-8", b"{}"), Some(b"{}".to_vec()));
        assert_eq!(result(200, "application/json", &large), None);
        let Heard::Failure(failure) = heard(429, "", b"", Some(3_000)) else {
            panic!("429 is no answer");
        };
        assert_eq!(failure.retry_after_ms, Some(3_000));
    }
}
