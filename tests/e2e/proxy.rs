//! A proxy between pages and server that lets not everything through, as those of companies and hotels do.
//!
//! What always holds: each request has a connection of its own, so each is looked at; what is refused is answered by the proxy,
//! and the server does not hear of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running proxy; everything ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    rules: Arc<Rules>,
    task: JoinHandle<()>,
}

/// How a request follows the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By a WebSocket.
    Socket,
    /// By server-sent events.
    Stream,
    /// By asking for what comes next.
    Ask,
}

#[derive(Debug)]
struct Rules {
    state: Mutex<State>,
    /// Counted up when all that is open is to be cut.
    cuts: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    refused: Vec<Way>,
    /// All that followed the log, in the order in which it came, and whether it was let through.
    seen: Vec<(Way, bool)>,
}

impl Proxy {
    /// Starts one before the server at this port of this machine.
    pub(crate) async fn start(server: u16) -> Self {
        let listener =
            TcpListener::bind("127.0.0.1:0").await.expect("this machine has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let rules = Arc::new(Rules { state: Mutex::default(), cuts: watch::Sender::new(0) });
        let task = tokio::spawn(serve(listener, server, Arc::clone(&rules)));
        Self { port, rules, task }
    }

    /// The server's pages, as they are seen through it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// Refuses these ways from here on and no others, forgets what was seen, and cuts whatever is open.
    pub(crate) fn refuse(&self, ways: &[Way]) {
        let mut state = self.rules.state();
        state.refused = ways.to_vec();
        state.seen.clear();
        self.rules.cuts.send_modify(|count| *count += 1);
    }

    /// What has followed the log, and whether it was let through.
    pub(crate) fn seen(&self) -> Vec<(Way, bool)> {
        self.rules.state().seen.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.rules.cuts.send_modify(|count| *count += 1);
    }
}

impl Rules {
    // Nothing in here panics.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a request; whether it may pass.
    fn lets(&self, way: Option<Way>) -> bool {
        let Some(way) = way else { return true };
        let mut state = self.state();
        let may = !state.refused.contains(&way);
        state.seen.push((way, may));
        may
    }
}

async fn serve(listener: TcpListener, server: u16, rules: Arc<Rules>) {
    while let Ok((page, _)) = listener.accept().await {
        let rules = Arc::clone(&rules);
        tokio::spawn(async move {
            let mut cuts = rules.cuts.subscribe();
            tokio::select! {
                // Whoever is cut off in the middle of a word has no use for a fault.
                _ = pass(page, server, &rules) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

async fn pass(mut page: TcpStream, server: u16, rules: &Rules) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let end = loop {
        if let Some(at) = asked.windows(4).position(|it| it == b"\r\n\r\n") {
            break at;
        }
        if page.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&asked[..end]).into_owned();
    let way = way_of(&head);
    if !rules.lets(way) {
        let answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return page.write_all(answer).await;
    }
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    if way != Some(Way::Socket) {
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        lines.push("connection: close");
    }
    let mut behind = TcpStream::connect(("127.0.0.1", server)).await?;
    behind.write_all(lines.join("\r\n").as_bytes()).await?;
    behind.write_all(&asked[end..]).await?;
    copy_bidirectional(&mut page, &mut behind).await.map(drop)
}

fn way_of(head: &str) -> Option<Way> {
    let path = head.split(' ').nth(1)?;
    match path.split('?').next()? {
        "/v1/live" if head.to_ascii_lowercase().contains("\r\nupgrade: websocket") => {
            Some(Way::Socket)
        }
        "/v1/live" => Some(Way::Stream),
        "/v1/events" => Some(Way::Ask),
        _ => None,
    }
}
