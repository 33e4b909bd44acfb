//! Runs the demo: the built site, served by the reference server with its fault switches on.
//!
//! What always holds: signals and the exit status are the server's own. On Unix it takes this
//! process over; elsewhere this process waits for it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::fault::{Fault, Outcome};
use crate::need;
use crate::repo::Repo;
use crate::site;
use crate::step::{run, say};
use crate::wasm::Profile;

/// Where the demo listens unless told otherwise.
pub(crate) const PORT: u16 = 4180;

/// How long the server may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(15);

const ASK_EVERY: Duration = Duration::from_millis(100);

/// Builds and runs the demo until it is stopped.
pub(crate) fn run_demo(repo: &Repo, port: u16, data: Option<PathBuf>) -> Outcome {
    check_is_free(port)?;
    let site = site::build(repo, Profile::Release)?;
    need::c_compiler()?;
    let mut cargo = repo.cargo(&["build", "--release", "--package", "bellwether-server"]);
    run("compiling the server", &mut cargo)?;

    let data = data.unwrap_or_else(|| repo.built("demo-data"));
    std::fs::create_dir_all(&data).map_err(|cause| Fault::file("create", &data, &cause))?;
    let mut server = Command::new(repo.program("release", "bellwether-server")?);
    server.args(["--listen", &format!("127.0.0.1:{port}"), "--dev-faults", "--data"]).arg(&data);
    server.arg("--static").arg(&site);
    start(server, port)
}

/// Waits for the server on `port` to answer, and says so.
pub(crate) fn announce(port: u16) -> Outcome {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if is_healthy(port) {
            say(&format!("The demo is at http://localhost:{port}/ (press Ctrl-C to stop)"));
            return Ok(());
        }
        thread::sleep(ASK_EVERY);
    }
    Err(Fault::new(format!(
        "the server did not answer at http://127.0.0.1:{port}/healthz within {} s",
        PATIENCE.as_secs()
    )))
}

#[cfg(unix)]
fn start(mut server: Command, port: u16) -> Outcome {
    use std::os::unix::process::CommandExt as _;
    // Whoever announces the server must outlive this process, which becomes the server.
    let own = std::env::current_exe();
    let announcer =
        own.and_then(|own| Command::new(own).args(["announce", &port.to_string()]).spawn());
    if let Err(cause) = announcer {
        return Err(Fault::new(format!("cannot start the demo's announcer: {cause}")));
    }
    let cause = server.exec();
    Err(Fault::new(format!("cannot start the server: {cause}")))
}

#[cfg(not(unix))]
fn start(mut server: Command, port: u16) -> Outcome {
    let cannot = |cause: std::io::Error| Fault::new(format!("cannot run the server: {cause}"));
    let mut server = server.spawn().map_err(cannot)?;
    thread::spawn(move || announce(port));
    let status = server.wait().map_err(cannot)?;
    std::process::exit(status.code().unwrap_or(1));
}

fn check_is_free(port: u16) -> Outcome {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(cause) => Err(Fault::new(format!(
            "port {port} cannot be used ({cause}); run `cargo xtask demo --port N` with another"
        ))),
    }
}

fn is_healthy(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else {
        return false;
    };
    let request =
        format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    let mut answer = [0; 12];
    let asked = stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .and_then(|()| stream.write_all(request.as_bytes()))
        .and_then(|()| stream.read_exact(&mut answer));
    asked.is_ok() && answer.ends_with(b" 200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_answers_200_is_healthy() {
        for (answer, healthy) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
            ("", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").expect("some port is free");
            let port = listener.local_addr().expect("it is bound").port();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("it is asked once");
                let mut asked = [0; 256];
                let _ = stream.read(&mut asked);
                let _ = stream.write_all(answer.as_bytes());
            });
            assert_eq!(is_healthy(port), healthy, "{answer:?}");
            server.join().expect("the server ends with its answer");
        }
    }

    #[test]
    fn a_port_in_use_is_told_before_anything_is_built() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("some port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let told = check_is_free(port).expect_err("the port is in use").to_string();
        assert!(told.contains("--port N"), "{told}");
    }
}
