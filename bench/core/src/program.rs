//! The real server on a real socket, given full batches as fast as it answers.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use bellwether_shared::base::{DeviceId, Incarnation, Seq};
use bellwether_shared::rules::chain;
use bellwether_shared::wire::{
    Answer, CBOR, DeviceKey, KeyKind, Lane, PROTOCOL, Push, StreamId, from_cbor, to_cbor,
};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::core::sealed;
use crate::measure::Figure;

/// Where it keeps what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Memory,
}

/// What one run came to.
pub(crate) struct Run {
    pub(crate) events_per_s: f64,
    pub(crate) first_ms: f64,
    pub(crate) later_ms: Figure,
}

/// Where the program is; `BENCH_SERVER` names another.
pub(crate) fn path() -> Option<PathBuf> {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/bellwether-server");
    let path = std::env::var_os("BENCH_SERVER").map_or_else(|| built.into(), PathBuf::from);
    path.exists().then_some(path)
}

/// Has `clients` devices push, each into a session of its own.
pub(crate) fn run(path: &Path, store: Store, clients: u8) -> io::Result<Run> {
    let server = Server::start(path, store)?;
    let sealed: Vec<Vec<Vec<u8>>> = (1..=clients).map(bodies).collect();
    let begun = Instant::now();
    let took: Vec<io::Result<Vec<f64>>> = thread::scope(|scope| {
        let threads: Vec<_> =
            sealed.iter().map(|bodies| scope.spawn(|| push_all(&server.address, bodies))).collect();
        threads.into_iter().map(|it| it.join().expect("a client does not panic")).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let took: Vec<Vec<f64>> = took.into_iter().collect::<io::Result<_>>()?;
    let first = took.iter().filter_map(|pushes| pushes.first().copied());
    let later = took.iter().flat_map(|pushes| pushes.iter().skip(1).copied());
    Ok(Run {
        events_per_s: (took.len() * BATCHES * BATCH as usize) as f64 / seconds,
        first_ms: first.fold(0.0, f64::max),
        later_ms: Figure::of(later.collect()),
    })
}

struct Server {
    child: Child,
    address: String,
    directory: PathBuf,
}

impl Server {
    fn start(path: &Path, store: Store) -> io::Result<Self> {
        let name = format!("bellwether-bench-{}-{store:?}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let mut command = Command::new(path);
        command.args(["--listen", "127.0.0.1:0", "--log", "warn"]);
        match store {
            Store::Sqlite => command.arg("--data").arg(&directory),
            Store::Memory => command.arg("--memory"),
        };
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let address = line.trim().strip_prefix("listening on http://").unwrap_or_default().into();
        Ok(Self { child, address, directory })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is a benchmark's own; what is left of it is nobody's loss.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The pushes of device `number`, signed and encoded.
fn bodies(number: u8) -> Vec<Vec<u8>> {
    let key = SigningKey::from_bytes(&[number; 32]);
    let stream = StreamId {
        device: DeviceId([number; 16]),
        session: format!("session-{number}").into(),
        user: "ann".into(),
        lane: Lane::Normal,
        incarnation: Incarnation([number; 16]),
    };
    let mut previous = chain::genesis(&stream, None);
    let batch = |at: usize| {
        let begin = at as u32 * BATCH;
        let events: Vec<Vec<u8>> = (begin..begin + BATCH).map(sealed).collect();
        let head = chain::head_after(previous, events.iter().map(Vec::as_slice));
        let first = Seq(u64::from(begin) + 1);
        let statement = chain::statement(&stream, first, u64::from(BATCH), &previous, &head);
        let push = Push {
            protocol: (PROTOCOL, PROTOCOL),
            stream: stream.clone(),
            first,
            previous: previous.into(),
            head: head.into(),
            key: DeviceKey {
                kind: KeyKind::Ed25519,
                public: key.verifying_key().as_bytes().to_vec().into(),
            },
            signature: key.sign(&statement).to_bytes().to_vec().into(),
            host_epoch: 1,
            former: None,
            log_epoch: None,
            build: "bench".into(),
            events: events.into_iter().map(Into::into).collect(),
        };
        previous = head;
        to_cbor(&push)
    };
    (0..BATCHES).map(batch).collect()
}

// How many milliseconds each push took.
fn push_all(address: &str, bodies: &[Vec<u8>]) -> io::Result<Vec<f64>> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_nodelay(true)?;
    bodies
        .iter()
        .map(|body| {
            let begun = Instant::now();
            let answer = exchange(&mut stream, body)?;
            let took = begun.elapsed().as_secs_f64() * 1e3;
            let answer: Answer = from_cbor(&answer, usize::MAX).map_err(io::Error::other)?;
            assert_eq!(answer.results.len(), BATCH as usize, "all are answered");
            Ok(took)
        })
        .collect()
}

// As much of HTTP as our own server speaks.
fn exchange(stream: &mut BufReader<TcpStream>, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut request = format!(
        "POST /v1/push HTTP/1.1\r\nhost: localhost\r\ncontent-type: {CBOR}\r\naccept: {CBOR}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    stream.get_mut().write_all(&request)?;
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let head = line.trim_end().to_ascii_lowercase();
        if head.is_empty() {
            break;
        }
        if head.starts_with("http/") && !head.contains(" 200") {
            return Err(io::Error::other(head));
        }
        if let Some(value) = head.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

const BATCH: u32 = 500;
const BATCHES: usize = 50;
