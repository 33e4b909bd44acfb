//! The server in a process of its own, and what the system says of it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bellwether_server::auth::Guard;
use bellwether_server::config::Origins;
use bellwether_server::engine::Signatures;
use bellwether_server::live::Heads;
use bellwether_server::store::{Embedded, Opening};
use bellwether_server::{App, NoEffect, app, serve as serve_on};
use tokio::net::TcpListener;

/// Serves the store of a directory until standard input ends.
pub(crate) fn serve(directory: PathBuf, port: u16) {
    let opening = Opening { directory, new_epoch: false };
    let store = Embedded::open(&opening, Arc::new(NoEffect)).expect("the store opens");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let address = listener.local_addr().expect("it is bound");
        let heads = Arc::<Heads>::default();
        let router = app(App {
            store,
            guard: Guard::Development,
            signatures: Signatures::Required,
            origins: Origins { named: Vec::new(), any: false, loopback: true },
            heads: Arc::clone(&heads),
            moods: None,
            assets: None,
        });
        let _ = writeln!(std::io::stdout(), "{}", address.port());
        let stop = async move {
            let ended = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
            let _ = ended.await;
            heads.close();
        };
        serve_on(listener, router, stop).await;
    });
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(directory: &Path, port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program has a file"))
            .arg("serve")
            .arg(directory)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("it has an output");
        BufReader::new(out).read_line(&mut line).expect("it says its port");
        Self { child, port: line.trim().parse().expect("it says its port") }
    }

    /// Its memory that no other process has, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let rollup = self.proc("smaps_rollup");
        let private = rollup.lines().filter(|line| line.starts_with("Private_"));
        private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
    }

    /// The time of processors that it has used, in seconds.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = self.proc("stat");
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks = after_name.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        // As Linux has it everywhere.
        ticks as f64 / 100.0
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(path).expect("the system tells of its processes in /proc")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
