//! What befalls requests between a device and the server.

use bellwether_server::fault::Fault;
use bellwether_shared::base::limits;
use bellwether_shared::outbox::Response;
use bellwether_shared::wire::{Answer, Outcome, Verdict, from_cbor, to_cbor};

use crate::choice::Chooser;
use crate::server::problem;

/// Chances in a hundred, and a mood that befalls every request while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// The request does not arrive.
    pub lose_request: u64,
    /// The answer does not arrive.
    pub lose_answer: u64,
    /// The request arrives once more, some time.
    pub repeat: u64,
    /// The request arrives only after its sender has given up.
    pub late: u64,
    /// What comes back is not what the server has said.
    pub lie: u64,
    /// An answer may take this many milliseconds.
    pub slow_ms_max: u64,
    /// A message between page and worker does not arrive.
    pub lose_message: u64,
    /// Whatever happens may take this many milliseconds.
    pub pace_ms_max: u64,
    /// What answers in the server's place.
    pub mood: Mood,
}

/// What answers in the server's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// Nothing; the server answers.
    #[default]
    Well,
    /// The connection is cut.
    Cut,
    /// A problem of this status.
    Error(u16),
    /// 429, and when to come again.
    Throttled(u32),
    /// A proxy's page.
    ForeignPage,
}

impl Weather {
    /// Some weather, most likely bad.
    #[must_use]
    pub fn drawn(chooser: &mut Chooser) -> Self {
        let mood = match chooser.weighted([5, 1, 1, 1, 1, 1]) {
            1 => Mood::Cut,
            2 => Mood::Error(500),
            3 => Mood::Throttled(1_000 * (1 + chooser.below(20) as u32)),
            4 => Mood::ForeignPage,
            5 => Mood::Error(400),
            _ => Mood::Well,
        };
        let mut chance = |most: u64| chooser.pick([0, 0, most / 5, most]);
        let (lose_request, lose_answer, repeat) = (chance(60), chance(60), chance(40));
        let (late, lose_message) = (chance(30), chance(30));
        let lie = chance(40);
        let pace_ms_max = chooser.pick([0, 2, 50]);
        let slow_ms_max = chooser.pick([0, 0, 100, 14_000]);
        Self {
            lose_request,
            lose_answer,
            repeat,
            late,
            lie,
            slow_ms_max,
            lose_message,
            pace_ms_max,
            mood,
        }
    }
}

/// What becomes of an answer on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// A portal's page comes instead, and says that all is well.
    Portal,
    /// It is cut short.
    Cut,
    /// It claims more to be durable than was taken.
    Durable,
    /// It claims places that it says nothing about.
    Through,
    /// Its results are in another order.
    Shuffled,
    /// It names an outcome that nobody knows.
    Unknown,
    /// It says that the batch leaves a gap.
    Gap,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Portal,
        Self::Cut,
        Self::Durable,
        Self::Through,
        Self::Shuffled,
        Self::Unknown,
        Self::Gap,
    ];

    /// What arrives of this.
    #[must_use]
    pub fn of(self, response: Response) -> Response {
        let Response::Http { status: 200, content_type, retry_after_ms, mut body } = response
        else {
            return response;
        };
        let answer = from_cbor::<Answer>(&body, limits::ANSWER_BYTES_MAX);
        let Ok(mut answer) = answer else { return Response::Unreachable };
        match self {
            Self::Portal => {
                return Response::Http {
                    status: 200,
                    content_type: "text/html".into(),
                    retry_after_ms: None,
                    body: b"<h1>Welcome</h1>".to_vec(),
                };
            }
            Self::Cut => {
                body.truncate(body.len() / 2);
                return Response::Http { status: 200, content_type, retry_after_ms, body };
            }
            Self::Durable => answer.durable.0 = answer.through.0 + 1,
            Self::Through => {
                answer.through.0 += 3;
                answer.durable = answer.through;
                answer.results.clear();
            }
            Self::Shuffled => answer.results.iter_mut().for_each(|result| result.seq.0 += 1),
            Self::Unknown => {
                answer.results.iter_mut().for_each(|result| result.outcome = Outcome(9));
            }
            Self::Gap => answer.verdict = Verdict::Gap,
        }
        Response::Http { status: 200, content_type, retry_after_ms, body: to_cbor(&answer) }
    }
}

impl Mood {
    /// The answer that it gives; `None` if the server is asked.
    #[must_use]
    pub fn answer(self) -> Option<Response> {
        let foreign = |body: &[u8]| Response::Http {
            status: 404,
            content_type: "text/html; charset=utf-8".into(),
            retry_after_ms: None,
            body: body.to_vec(),
        };
        match self {
            Self::Well => None,
            Self::Cut => Some(Response::Unreachable),
            Self::Error(400) => Some(problem(&Fault::Malformed("a mood".into()))),
            Self::Error(_) => Some(problem(&Fault::Internal("a mood".into()))),
            Self::Throttled(retry_after_ms) => Some(problem(&Fault::Throttled { retry_after_ms })),
            Self::ForeignPage => Some(foreign(b"<h1>Not found</h1>")),
        }
    }
}
