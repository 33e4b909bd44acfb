//! Someone who pushes one event at a time, at a steady pace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bellwether_shared::wire::{self, Answer, Push};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;

use crate::device::{Device, event_with};

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds since the program's first look.
pub(crate) fn now_us() -> u64 {
    u64::try_from(BEGUN.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// A device that writes to one session.
pub(crate) struct Writer {
    session: String,
    device: Device,
    line: Option<BufReader<TcpStream>>,
    number: u64,
}

impl Writer {
    pub(crate) fn new(session: String) -> Self {
        let device = Device::new(1, &session, "ann");
        Self { session, device, line: None, number: 0 }
    }

    /// Pushes an event every `pace`, first after `wait`, until told to end; gives itself back.
    pub(crate) async fn write(
        mut self,
        port: u16,
        (wait, pace): (Duration, Duration),
        is_over: Arc<AtomicBool>,
    ) -> Self {
        tokio::time::sleep(wait).await;
        let mut ticks = tokio::time::interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if is_over.load(Ordering::Relaxed) {
                return self;
            }
            self.write_one(port).await;
        }
    }

    async fn write_one(&mut self, port: u16) {
        self.number += 1;
        let id = format!("{}-{}", self.session, self.number);
        let data = format!(r#"{{"text":"{}","sent":{}}}"#, "x".repeat(100), now_us());
        let push = self.device.batch(&[event_with("plain", &id, Some(data.as_bytes()))]);
        // Until it is answered: a server that is gone comes back.
        while self.push(port, &push).await.is_none() {
            self.line = None;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn push(&mut self, port: u16, push: &Push) -> Option<Answer> {
        if self.line.is_none() {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
            stream.set_nodelay(true).ok()?;
            self.line = Some(BufReader::with_capacity(2 * 1024, stream));
        }
        let line = self.line.as_mut()?;
        let body = wire::to_cbor(push);
        let mut request = format!(
            "POST /v1/push HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cbor\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend(body);
        line.get_mut().write_all(&request).await.ok()?;
        let (mut head, mut length, mut is_fine) = (String::new(), 0, false);
        loop {
            head.clear();
            if line.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
            if head.starts_with("HTTP/1.1 200") {
                is_fine = true;
            }
            if let Some(value) = head.strip_prefix("content-length: ") {
                length = value.trim().parse().ok()?;
            }
            if head.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        line.read_exact(&mut body).await.ok()?;
        if is_fine { wire::from_cbor(&body, usize::MAX).ok() } else { None }
    }

    /// How many events it has written.
    pub(crate) fn written(&self) -> u64 {
        self.number
    }
}
