//! The sync server as a process of its own, which is also the origin of all pages.
//!
//! What always holds: it listens on the same port however often it is stopped and started, and it
//! does not outlive its [`Server`].

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::build::Build;
use crate::scratch::{Scratch, copy_folder};
use crate::site::{RUNG, Site};
use crate::wait::{secs, until};

#[derive(Debug)]
pub(crate) struct Server {
    site: Site,
    build: Build,
    home: Scratch,
    port: u16,
    child: Option<Child>,
    http: reqwest::Client,
    /// What we show a server that wants a token.
    bearer: Option<String>,
    /// Whether pages live where they are in a secure context.
    is_safe: bool,
}

/// An event as the server's log shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LogEvent {
    pub(crate) offset: u64,
    pub(crate) id: String,
    pub(crate) client: String,
    #[serde(rename = "type")]
    pub(crate) type_: String,
    pub(crate) key: Option<String>,
    pub(crate) data: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct LogPage {
    events: Vec<LogEvent>,
    more: bool,
}

impl Server {
    /// A server that serves `site`; not started.
    pub(crate) fn new(site: Site) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(secs(20)).build();
        Self {
            site,
            build: Build::This,
            home: Scratch::new("server"),
            port: free_port(),
            child: None,
            http: http.expect("a client without TLS can be built"),
            bearer: None,
            is_safe: env::var_os(RUNG).is_none_or(|rung| rung == "web-locks"),
        }
    }

    /// From here on the pages live where they have no workers and no Web Locks, and cannot sign.
    pub(crate) async fn leave_safety(&mut self) {
        self.kill();
        self.is_safe = false;
        self.start().await;
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where the pages live: `localhost` is a secure context.
    pub(crate) fn origin(&self) -> String {
        let name = if self.is_safe { "localhost" } else { INSECURE };
        format!("http://{name}:{}", self.port)
    }

    /// The same pages where they are in none: no workers and no Web Locks, nor what signs.
    pub(crate) fn insecure_url(&self, path: &str) -> String {
        format!("http://{INSECURE}:{}{path}", self.port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    pub(crate) async fn start(&mut self) {
        self.start_with(&[]).await;
    }

    pub(crate) async fn start_with(&mut self, arguments: &[&str]) {
        self.bearer = None;
        self.run(&[&["--dev-faults"], arguments].concat()).await;
    }

    /// Starts it so that it takes only tokens that are signed with the secret.
    pub(crate) async fn start_guarded(&mut self, secret: &str) {
        let file = self.home.path().join("secret");
        fs::write(&file, secret).expect("the secret can be written");
        self.bearer = Some(token(secret, "reader"));
        self.run(&["--hs256-secret-file", &file.display().to_string()]).await;
    }

    /// Starts that build's; it goes on with the data of the one before.
    pub(crate) async fn start_of(&mut self, build: Build) {
        self.build = build;
        self.start().await;
    }

    async fn run(&mut self, arguments: &[&str]) {
        assert!(self.child.is_none(), "the server runs already");
        let log = File::options().create(true).append(true).open(self.log_path());
        let log = log.expect("the log can be written");
        let mut command = Command::new(self.build.server());
        command.args(["--listen", &format!("127.0.0.1:{}", self.port), "--data"]);
        command.arg(self.data()).arg("--static").arg(self.site.path()).args(arguments);
        if !self.is_safe {
            command.args(["--allow-unsigned", "--allow-origin", &self.origin()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("the server can be started"));
        until("the server answers", secs(10), async || {
            let gone = self.child.as_mut().expect("it was started").try_wait();
            assert!(gone.expect("it can be asked").is_none(), "the server ended:\n{}", self.log());
            self.get("/healthz").await.map(drop).map_err(|fault| fault.to_string())
        })
        .await;
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sets what befalls pushes; fields left out are as the server has them by default.
    pub(crate) async fn mood(&self, mood: Value) {
        let reply = self.http.post(self.near("/dev/mood")).json(&mood).send().await;
        let reply = reply.expect("the server runs");
        assert!(reply.status().is_success(), "{mood}: {}", reply.status());
    }

    pub(crate) async fn all_is_well(&self) {
        self.mood(json!({})).await;
    }

    /// How many pushes were seen, and how many of them the mood has touched.
    pub(crate) async fn pushes(&self) -> (u64, u64) {
        let report = self.get("/dev/mood").await.expect("the server runs");
        let count = |name: &str| report["counters"][name].as_u64().expect("a counter");
        (count("pushes"), count("affected"))
    }

    /// Everything a session holds, in the log's order.
    pub(crate) async fn log_of(&self, session: &str) -> Vec<LogEvent> {
        let mut events: Vec<LogEvent> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.offset);
            let path = format!("/v1/events?session={session}&after={after}&limit=1000");
            let page = self.get(&path).await.expect("the log can be read");
            let page: LogPage = serde_json::from_value(page).expect("a page of the log");
            events.extend(page.events);
            if !page.more {
                return events;
            }
        }
    }

    /// How many events a session holds.
    pub(crate) async fn count_of(&self, session: &str) -> usize {
        let page = self.get(&format!("/v1/events?session={session}&limit=1")).await;
        let head = page.expect("the log can be read")["head"].as_u64().expect("a number");
        usize::try_from(head).expect("a count")
    }

    /// Waits until a session holds `count` events, and gives them.
    pub(crate) async fn log_reaches(
        &self,
        session: &str,
        count: usize,
        limit: std::time::Duration,
    ) -> Vec<LogEvent> {
        until(&format!("the server holds {count} events"), limit, async || {
            let held = self.count_of(session).await;
            if held < count {
                return Err(format!("it holds {held}"));
            }
            Ok(self.log_of(session).await)
        })
        .await
    }

    /// Copies the store while the server is not running.
    pub(crate) fn back_up(&self, to: &Path) {
        assert!(self.child.is_none(), "a copy of a running store is none");
        copy_folder(&self.data(), to);
    }

    /// Puts a copy in the place of the store; without one, leaves nothing.
    pub(crate) fn put_back(&self, copy: Option<&Path>) {
        assert!(self.child.is_none(), "a running server keeps its store");
        match fs::remove_dir_all(self.data()) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => panic!("{fault}"),
            _ => {}
        }
        if let Some(copy) = copy {
            copy_folder(copy, &self.data());
        }
    }

    /// What the process has told.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("server.log")
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Result<Value> {
        let mut request = self.http.get(self.near(path));
        if let Some(bearer) = &self.bearer {
            request = request.bearer_auth(bearer);
        }
        let reply = request.send().await?.error_for_status()?;
        // The health check's body is of no interest, and no JSON.
        Ok(serde_json::from_slice(&reply.bytes().await?).unwrap_or(Value::Null))
    }

    fn near(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A token for all sessions, of this user, that lasts longer than any test.
pub(crate) fn token(secret: &str, user: &str) -> String {
    let claims = json!({ "sub": user, "sessions": ["*"], "exp": 4_102_444_800_u64 });
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key);
    token.expect("claims can be signed")
}

/// A name that the browsers under test take for this machine, and not for a safe place.
pub(crate) const INSECURE: &str = "insecure.test";

/// What a page was told when its event was on disk.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) id: String,
    pub(crate) position: u64,
    pub(crate) key: String,
}

/// Each event that was acknowledged is in the log under its key, once, and those of one key are in
/// the order in which they were appended (G2, G3).
#[track_caller]
pub(crate) fn assert_once_and_in_order(log: &[LogEvent], receipts: &[Receipt]) {
    if let Err(fault) = once_and_in_order(log, receipts) {
        panic!("{fault}");
    }
}

fn once_and_in_order(log: &[LogEvent], receipts: &[Receipt]) -> Result<(), String> {
    let mut by_id: BTreeMap<&str, &LogEvent> = BTreeMap::new();
    for event in log {
        if let Some(before) = by_id.insert(&event.id, event) {
            return Err(format!("in the log more than once: {before:?} and {event:?}"));
        }
    }
    let mut by_key: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for it in receipts {
        let Some(event) = by_id.get(it.id.as_str()) else {
            return Err(format!("acknowledged, but not in the log: {it:?}"));
        };
        if event.key.as_ref() != Some(&it.key) {
            return Err(format!("in the log under another key: {it:?} as {event:?}"));
        }
        by_key.entry(&it.key).or_default().push((it.position, event.offset));
    }
    for (key, mut of_key) in by_key {
        of_key.sort_unstable();
        if !of_key.is_sorted_by_key(|(_, offset)| *offset) {
            return Err(format!("{key}: (position, offset) out of order: {of_key:?}"));
        }
    }
    Ok(())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
    listener.local_addr().expect("a listener has an address").port()
}

/// The checker itself, shown logs with one fault each.
#[test]
fn only_a_log_with_each_event_once_and_in_order_passes() {
    let event = |offset, id: &str, key: &str| LogEvent {
        offset,
        id: id.to_owned(),
        client: String::new(),
        type_: "noted".to_owned(),
        key: Some(key.to_owned()),
        data: None,
    };
    let receipt = |id: &str, position| Receipt { id: id.to_owned(), position, key: "k".to_owned() };
    let receipts = [receipt("a", 1), receipt("b", 2)];
    #[rustfmt::skip]
    let cases = [
        // what it shows        log                                                                 passes
        ("once, in order",      vec![event(1, "a", "k"), event(2, "b", "k")],                       true),
        ("one more, unasked",   vec![event(1, "a", "k"), event(2, "b", "k"), event(3, "c", "k")],   true),
        ("one is missing",      vec![event(1, "a", "k")],                                           false),
        ("one came twice",      vec![event(1, "a", "k"), event(2, "b", "k"), event(3, "a", "k")],   false),
        ("the wrong order",     vec![event(1, "b", "k"), event(2, "a", "k")],                       false),
        ("another key",         vec![event(1, "a", "k"), event(2, "b", "l")],                       false),
    ];
    for (shows, log, passes) in cases {
        let verdict = once_and_in_order(&log, &receipts);
        assert_eq!(verdict.is_ok(), passes, "{shows}: {verdict:?}");
    }
}
