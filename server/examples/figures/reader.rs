//! Someone who follows a log live, by a socket or by server-sent events, and counts what is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::writer::now_us;

/// How a reader follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Socket,
    Sse,
}

/// What all readers have in common.
#[derive(Debug, Default)]
pub(crate) struct Common {
    pub(crate) is_over: AtomicBool,
    pub(crate) measures: AtomicBool,
    pub(crate) welcomes: AtomicU64,
    pub(crate) deliveries: AtomicU64,
}

/// What a reader has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) after: u64,
    pub(crate) missed: u64,
    pub(crate) doubled: u64,
    pub(crate) hints: u64,
    /// From the sending of a push to the event's arrival here.
    pub(crate) latencies_us: Vec<u64>,
    /// When it was last welcome.
    pub(crate) welcome_at: Option<Instant>,
    epoch: String,
}

/// Follows a session until all is over, coming again whenever it is cut off.
pub(crate) async fn follow(
    way: Way,
    port: u16,
    session: String,
    pause: Option<Duration>,
    common: Arc<Common>,
) -> Seen {
    let mut seen = Seen::default();
    let mut told = Duration::from_millis(100);
    while !common.is_over.load(Ordering::Relaxed) {
        let _ = match way {
            Way::Socket => by_socket(port, &session, &mut seen, &mut told, &common).await,
            Way::Sse => by_lines(port, &session, &mut seen, &mut told, &common).await,
        };
        if !common.is_over.load(Ordering::Relaxed) {
            tokio::time::sleep(pause.unwrap_or(told)).await;
        }
    }
    seen
}

fn query(session: &str, seen: &Seen) -> String {
    let epoch = if seen.epoch.is_empty() { "" } else { "&epoch=" };
    format!("/v1/live?session={session}&after={}{epoch}{}", seen.after, seen.epoch)
}

async fn by_socket(
    port: u16,
    session: &str,
    seen: &mut Seen,
    told: &mut Duration,
    common: &Common,
) -> Option<()> {
    let address = format!("ws://127.0.0.1:{port}{}", query(session, seen));
    let (mut socket, _) = tokio_tungstenite::connect_async(address).await.ok()?;
    loop {
        let message = socket.next().await?.ok()?;
        let Ok(text) = message.to_text() else { continue };
        // As our own server writes it.
        let Some(rest) = text.strip_prefix("{\"event\":\"") else { continue };
        let (name, rest) = rest.split_once("\",\"id\":\"")?;
        let (place, data) = rest.split_once("\",\"data\":")?;
        seen.take(name, place, data, told, common);
    }
}

async fn by_lines(
    port: u16,
    session: &str,
    seen: &mut Seen,
    told: &mut Duration,
    common: &Common,
) -> Option<()> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let mut stream = BufReader::with_capacity(2 * 1024, stream);
    let head = format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", query(session, seen));
    stream.get_mut().write_all(head.as_bytes()).await.ok()?;
    let (mut line, mut name, mut place) = (String::new(), String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let text = line.trim_end();
        if let Some(text) = text.strip_prefix("event: ") {
            text.clone_into(&mut name);
        } else if let Some(text) = text.strip_prefix("id: ") {
            text.clone_into(&mut place);
        } else if let Some(data) = text.strip_prefix("data: ") {
            seen.take(&name, &place, data, told, common);
        }
    }
}

impl Seen {
    fn take(&mut self, name: &str, place: &str, data: &str, told: &mut Duration, common: &Common) {
        let Some((epoch, offset)) = place.split_once(':') else { return };
        let offset: u64 = offset.parse().unwrap_or_default();
        let number = |name: &str| {
            let digits = data.split_once(name).map_or("", |(_, rest)| rest);
            let end = digits.find(|it: char| !it.is_ascii_digit()).unwrap_or(digits.len());
            digits[..end].parse::<u64>().ok()
        };
        match name {
            "welcome" => {
                self.welcome_at = Some(Instant::now());
                *told = Duration::from_millis(number("\"retry_ms\":").unwrap_or(1_000));
                common.welcomes.fetch_add(1, Ordering::Relaxed);
            }
            "event" => {
                self.missed += offset.saturating_sub(self.after + 1);
                self.doubled += u64::from(offset <= self.after);
                self.after = self.after.max(offset);
                epoch.clone_into(&mut self.epoch);
                common.deliveries.fetch_add(1, Ordering::Relaxed);
                if common.measures.load(Ordering::Relaxed)
                    && let Some(sent) = number("\"sent\":")
                {
                    self.latencies_us.push(now_us().saturating_sub(sent));
                }
            }
            "hint" => self.hints += 1,
            _ => {}
        }
    }
}
