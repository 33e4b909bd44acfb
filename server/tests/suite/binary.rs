//! The real program on a real socket: killed under load, ended in good order, started wrongly.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bellwether_shared::base::LogEpoch;
use bellwether_shared::wire::{self, Answer, CBOR, LogEvent, LogPage, Push, Verdict};

use crate::contract::{Directory, ids};
use crate::device::{Device, event, plain};

/// A running server; killed when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(directory: &Directory, more: &[&str]) -> Self {
        let mut child = program(&["--listen", "127.0.0.1:0", "--log", "warn", "--data"])
            .arg(&directory.0)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("it has an output");
        BufReader::new(out).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("listening on http://").expect(&line).to_owned();
        let server = Self { child, address };
        let healthy = within_patience(|| {
            ask(&server.address, "GET", "/healthz", &[], &[]).filter(|reply| reply.status == 200)
        });
        assert!(healthy.is_some(), "it is healthy in time");
        server
    }

    /// Ends it as a power cut would, as far as a process can be cut.
    fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    #[cfg(unix)]
    fn terminate(&self) {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(killed.expect("there is a kill command").success());
    }

    fn log(&self, session: &str) -> Vec<LogEvent> {
        let mut events: Vec<LogEvent> = Vec::new();
        loop {
            let page = self.page(session, events.len() as u64);
            events.extend(page.events);
            if !page.more {
                return events;
            }
        }
    }

    fn page(&self, session: &str, after: u64) -> LogPage {
        let path = format!("/v1/events?session={session}&after={after}&limit=1000");
        let reply = ask(&self.address, "GET", &path, &[("accept", CBOR)], &[]);
        let reply = reply.expect("the server answers");
        wire::from_cbor(&reply.body, usize::MAX).expect("it is a page")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that is kept, and made again when it was cut.
struct Line {
    address: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Line {
    fn to(server: &Server) -> Self {
        Self { address: server.address.clone(), stream: None }
    }

    /// The answer, or `None` if the connection ended without one.
    fn push(&mut self, push: &Push) -> Option<Answer> {
        if self.stream.is_none() {
            self.stream = TcpStream::connect(&self.address).ok().map(BufReader::new);
        }
        let stream = self.stream.as_mut()?;
        let headers = [("content-type", CBOR)];
        let reply = exchange(stream, "POST", "/v1/push", &headers, &wire::to_cbor(push));
        let Some(reply) = reply else {
            self.stream = None;
            return None;
        };
        assert_eq!(reply.status, 200, "{:?}", String::from_utf8_lossy(&reply.body));
        Some(wire::from_cbor(&reply.body, usize::MAX).expect("it is an answer"))
    }
}

struct Reply {
    status: u16,
    body: Vec<u8>,
}

/// One request on a connection of its own.
fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Reply> {
    let mut stream = BufReader::new(TcpStream::connect(address).ok()?);
    exchange(&mut stream, method, path, headers, body)
}

// As much of HTTP as our own server speaks.
fn exchange(
    stream: &mut BufReader<TcpStream>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Reply> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
    for (name, value) in headers {
        request.extend(format!("{name}: {value}\r\n").bytes());
    }
    request.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
    request.extend(body);
    stream.get_mut().set_read_timeout(Some(PATIENCE)).ok()?;
    stream.get_mut().write_all(&request).ok()?;

    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Reply { status, body })
}

/// A client under load: what it was told, and what it waits to be told.
struct Writer {
    device: Device,
    batches: Vec<Push>,
    told: Vec<Answer>,
}

impl Writer {
    fn new(number: u8) -> Self {
        Self { device: Device::new(number, SESSION, "ann"), batches: Vec::new(), told: Vec::new() }
    }

    /// Pushes until the server does not answer any more.
    fn run(&mut self, server: &str, told: &mpsc::Sender<()>) {
        let mut line = Line { address: server.to_owned(), stream: None };
        loop {
            if self.batches.len() == self.told.len() {
                self.seal();
            }
            let Some(answer) = line.push(&self.batches[self.told.len()]) else { return };
            assert_eq!(answer.verdict, Verdict::Taken);
            self.told.push(answer);
            let _ = told.send(());
        }
    }

    fn seal(&mut self) {
        let (number, batch) = (self.device.stream.device.0[0], self.batches.len());
        let id = |event: usize| format!("{number}-{batch}-{event}");
        let events: Vec<_> = (0..EVENTS).map(|n| event("plain", &id(n))).collect();
        self.batches.push(self.device.batch(&events));
    }

    /// Sends what it was not told about, once more.
    fn settle(&mut self, server: &Server) {
        let mut line = Line::to(server);
        while self.told.len() < self.batches.len() {
            let answer = line.push(&self.batches[self.told.len()]).expect("the server answers");
            assert_eq!(answer.verdict, Verdict::Taken);
            assert_eq!(answer.results.len(), EVENTS);
            self.told.push(answer);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_comes_twice_when_killed_under_load() {
    let directory = Directory::new();
    let mut writers: Vec<Writer> = (1..=4).map(Writer::new).collect();
    let mut epoch = None;
    for round in 0..3 {
        let server = Server::start(&directory, &[]);
        let (sender, told) = mpsc::channel();
        thread::scope(|scope| {
            for writer in &mut writers {
                let (address, sender) = (server.address.clone(), sender.clone());
                scope.spawn(move || writer.run(&address, &sender));
            }
            for _ in 0..40 {
                told.recv_timeout(PATIENCE).expect("pushes are answered");
            }
            server.kill();
        });

        let server = Server::start(&directory, &[]);
        let log = server.log(SESSION);
        check_told(&writers, &log);
        for writer in &mut writers {
            writer.settle(&server);
        }
        let log = server.log(SESSION);
        check_told(&writers, &log);
        let sealed: usize = writers.iter().map(|writer| writer.batches.len() * EVENTS).sum();
        assert_eq!(log.len(), sealed, "round {round}: each event once");
        let lives: Vec<LogEpoch> =
            writers.iter().flat_map(|writer| &writer.told).map(|answer| answer.log_epoch).collect();
        let first = *epoch.get_or_insert(lives[0]);
        assert!(lives.iter().all(|life| *life == first), "round {round}: the log lives on");
        server.kill();
    }
}

/// What was told is in the log at the offset that was told, and each stream is there in its order.
fn check_told(writers: &[Writer], log: &[LogEvent]) {
    assert!(log.iter().zip(1..).all(|(event, offset)| event.offset == offset), "no holes");
    let mut by_device: BTreeMap<u8, Vec<&LogEvent>> = BTreeMap::new();
    for event in log {
        by_device.entry(event.device.0[0]).or_default().push(event);
    }
    for writer in writers {
        let found = by_device.remove(&writer.device.stream.device.0[0]).unwrap_or_default();
        let sealed = writer.batches.iter().flat_map(|batch| &batch.events);
        let told = writer.told.iter().flat_map(|answer| &answer.results);
        assert!(found.len() >= writer.told.len() * EVENTS, "what was told is there");
        for (event, sealed) in found.iter().zip(sealed) {
            assert_eq!(event.sealed.as_slice(), sealed.as_slice(), "once, and in order");
        }
        for (event, told) in found.iter().zip(told) {
            assert_eq!((Some(event.offset), event.seq), (told.offset, told.seq));
        }
    }
}

#[cfg(unix)]
#[test]
fn an_end_in_good_order_answers_what_runs() {
    let directory = Directory::new();
    let mut server = Server::start(&directory, &["--dev-faults"]);
    let mood = br#"{"mode":"slow","delay_ms":300}"#;
    let reply = ask(&server.address, "POST", "/dev/mood", &[], mood).expect("it answers");
    assert_eq!(reply.status, 200);
    let batch = Device::new(1, SESSION, "ann").batch(&plain(["a"]));
    let answer = thread::scope(|scope| {
        let pushing = scope.spawn(|| Line::to(&server).push(&batch));
        let seen = within_patience(|| {
            let reply = ask(&server.address, "GET", "/dev/mood", &[], &[])?;
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            text.contains(r#""pushes":1"#).then_some(())
        });
        assert!(seen.is_some(), "the push has arrived");
        server.terminate();
        pushing.join().expect("the client does not panic")
    });
    assert_eq!(answer.expect("the push is answered").through.0, 1);
    assert!(server.child.wait().expect("it ends").success());
    drop(server);
    let server = Server::start(&directory, &[]);
    assert_eq!(ids(&server.page(SESSION, 0)), ["a"]);
}

#[test]
fn a_cut_connection_ends_without_a_byte() {
    let directory = Directory::new();
    let server = Server::start(&directory, &["--dev-faults"]);
    let batch = Device::new(1, SESSION, "ann").batch(&plain(["a"]));
    for (mode, stored) in [("down", 0), ("cut", 0), ("lose-answers", 1)] {
        let mood = format!(r#"{{"mode":"{mode}","count":1}}"#);
        ask(&server.address, "POST", "/dev/mood", &[], mood.as_bytes()).expect("it answers");
        assert!(Line::to(&server).push(&batch).is_none(), "{mode}");
        assert_eq!(server.page(SESSION, 0).head, stored, "{mode}");
    }
    let answer = Line::to(&server).push(&batch).expect("all is well again");
    assert_eq!((answer.through.0, answer.log_head), (1, 1));
}

#[test]
fn a_copy_put_back_is_told_from_the_original_by_its_new_epoch() {
    let directory = Directory::new();
    let server = Server::start(&directory, &[]);
    let batch = Device::new(1, SESSION, "ann").batch(&plain(["a"]));
    let answer = Line::to(&server).push(&batch).expect("it answers");
    server.kill();
    let server = Server::start(&directory, &["--new-epoch"]);
    let named = Push { log_epoch: Some(answer.log_epoch), ..batch };
    let answer = Line::to(&server).push(&named).expect("it answers");
    assert_eq!(answer.verdict, Verdict::EpochChanged);
}

#[test]
fn an_audit_is_written_beside_a_server_and_checked_without_one() {
    let directory = Directory::new();
    let server = Server::start(&directory, &[]);
    let mut ann = Device::new(1, SESSION, "ann");
    for batch in [["a", "b"], ["c", "d"]] {
        Line::to(&server).push(&ann.batch(&plain(batch))).expect("it answers");
    }
    let name = |name: &str| directory.0.join(name).to_str().expect("names are text").to_owned();
    let (data, file) = (name(""), name("s.audit"));
    let export = |session, file: &str| {
        let arguments = ["audit", "export", "--data", &data, "--session", session, file];
        program(&arguments).output().expect("it starts")
    };
    let done = export(SESSION, &file);
    let anchor = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    assert!(done.status.success() && anchor.starts_with("4:"), "{done:?}");
    let again = export(SESSION, &file);
    assert!(!again.status.success(), "a file that is there stays as it is");
    let asked = ask(&server.address, "GET", "/healthz", &[], &[]).expect("the server goes on");
    assert_eq!(asked.status, 200);
    drop(server);

    let verify = |arguments: &[&str]| {
        let done = program(&[&["audit", "verify"], arguments].concat()).output();
        let done = done.expect("it starts");
        assert!(done.stdout.is_empty());
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let sound = (Some(0), String::new());
    assert_eq!(verify(&[&file]), sound);
    assert_eq!(verify(&["--anchor", &anchor, &file]), sound);
    let wrong = format!("3{}", &anchor[1..]);
    let (code, said) = verify(&["--anchor", &wrong, &file]);
    assert!(code == Some(2) && said.contains("offset 3: the log up to this offset"), "{said}");
    let mut bytes = std::fs::read(&file).expect("it is there");
    let body = bytes.windows(7).rposition(|found| found == br#"{"n":1}"#).expect("a body");
    bytes[body + 5] = b'2';
    let changed = name("changed.audit");
    std::fs::write(&changed, bytes).expect("it can be written");
    let (code, said) = verify(&[&changed]);
    let expected = "offset 4, device 01010101-0101-0101-0101-010101010101, incarnation \
                    01010101-0101-0101-0101-010101010101, user \"ann\", lane normal, place 4: the \
                    event is not the one that the device put at this place";
    assert!(code == Some(2) && said.contains(expected), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    let (code, said) = verify(&["/nowhere"]);
    assert!(code == Some(2) && said.contains("cannot read /nowhere"), "{said}");
}

#[test]
fn events_of_other_types_than_those_named_are_refused() {
    let directory = Directory::new();
    std::fs::create_dir_all(&directory.0).expect("a folder can be made");
    let file = directory.0.join("types");
    std::fs::write(&file, "count\n\n  note.added  \n").expect("a file can be written");
    let file = file.to_str().expect("the file's name is text");
    let server =
        Server::start(&directory, &["--event-types", "plain,other", "--event-types-file", file]);
    let mut ann = Device::new(1, SESSION, "ann");
    let types = ["plain", "old", "count", "note.added", "Plain"];
    let events: Vec<_> = types.iter().map(|type_| event(type_, type_)).collect();
    let answer = Line::to(&server).push(&ann.batch(&events)).expect("it answers");
    let codes: Vec<_> = answer.results.iter().map(|told| told.code.as_deref()).collect();
    assert_eq!(codes, [None, Some("type-unknown"), None, None, Some("type-unknown")]);
}

#[test]
fn a_server_compacts_by_itself() {
    let directory = Directory::new();
    let server = Server::start(&directory, &[]);
    let (mut ann, mut line) = (Device::new(1, SESSION, "ann"), Line::to(&server));
    for part in 0..3 {
        let many: Vec<_> = (0..500).map(|at| event("plain", &format!("{part}-{at}"))).collect();
        line.push(&ann.batch(&many)).expect("it answers");
    }
    let is_gone = |server: &Server| {
        let path = format!("/v1/events?session={SESSION}&after=499&limit=1");
        ask(&server.address, "GET", &path, &[], &[]).filter(|reply| reply.status == 410)
    };
    assert!(is_gone(&server).is_none());
    server.kill();
    let server = Server::start(&directory, &["--keep-events", "1000", "--keep-days", "0"]);
    assert!(within_patience(|| is_gone(&server)).is_some(), "the oldest 500 are gone");
    assert_eq!(server.page(SESSION, 500).events.len(), 1_000);
}

#[test]
fn a_start_that_cannot_be_says_why_in_one_sentence() {
    let directory = Directory::new();
    let running = Server::start(&directory, &[]);
    let folder = directory.0.to_str().expect("the folder's name is text");
    let secret = directory.0.join("secret");
    std::fs::write(&secret, "too short\n").expect("a file can be written");
    let secret = secret.to_str().expect("the file's name is text");
    let empty = directory.0.join("types");
    std::fs::write(&empty, "\n  \n").expect("a file can be written");
    let empty = empty.to_str().expect("the file's name is text");
    #[rustfmt::skip]
    let cases: &[(&[&str], &str)] = &[
        (&["--listen", "0.0.0.0:0", "--memory"],                          "needs a token key"),
        (&["--listen", &running.address, "--memory"],                     "cannot listen on"),
        (&["--listen", "127.0.0.1:0", "--data", folder],                  "another server"),
        (&["--memory", "--hs256-secret-file", secret],                    "at least 32 are needed"),
        (&["--memory", "--hs256-secret-file", "/nowhere"],                "cannot read /nowhere"),
        (&["--memory", "--eddsa-public-key-file", secret],                "not an Ed25519 public key"),
        (&["--memory", "--allow-origin", "https://app.example/"],         "is no origin"),
        (&["--memory", "--allow-origin", "app.example"],                  "is no origin"),
        (&["--memory", "--webhook", "app.example"],                       "is no address"),
        (&["--memory", "--webhook", "ftp://app.example"],                 "not of http or https"),
        (&["--memory", "--webhook", "http://a.example", "--webhook-secret-file", secret], "fewer than 24"),
        (&["--memory", "--webhook", "http://a.example", "--webhook-timeout-ms", "0"],     "not between"),
        (&["--memory", "--event-types", "a,"],                            "has 0 bytes"),
        (&["--memory", "--event-types-file", empty],                      "names no event type"),
        (&["--memory", "--event-types-file", "/nowhere"],                 "cannot read /nowhere"),
        (&["--memory", "--keep-events", "5"],                             "keep 1000 or more"),
        (&["--memory", "--static", "/nowhere"],                           "not a directory"),
        (&["--memory", "--log", "a=b=c"],                                 "log filter"),
    ];
    for (arguments, expected) in cases {
        let Output { status, stderr, .. } = program(arguments).output().expect("it starts");
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "{arguments:?}: {said}");
    }
    assert!(program(&["--help"]).output().expect("it starts").status.success());
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether-server"));
    command.env_clear().args(arguments);
    command
}

// Asks again until there is something, or patience is over. Connecting is what takes the time.
fn within_patience<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let found = attempt();
        if found.is_some() || begun.elapsed() > PATIENCE {
            return found;
        }
        thread::yield_now();
    }
}

const SESSION: &str = "board";
const EVENTS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(20);
