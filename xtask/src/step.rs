//! Runs other programs: silent while all is well, and with their whole output when they fail.
//!
//! What always holds: a program that runs long is heard of every half minute; the closing lines
//! of tests are always shown; a program never waits for someone to type.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, PipeReader, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::fault::{Fault, Outcome};

/// How often a long step is heard of.
const PROGRESS_EVERY: Duration = Duration::from_secs(30);

/// How long output may still come from what an ended program left running.
const AFTERMATH_MAX: Duration = Duration::from_secs(2);

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Prints one line. That nobody reads it any more is no fault.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Runs `work` and prints its name and how long it took.
pub(crate) fn timed<T>(name: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let start = Instant::now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
    say(&format!("{verdict:<6} {name:<38} {:>7.1} s", start.elapsed().as_secs_f64()));
    outcome
}

/// Runs `command` to its end. `name` is what it does, as a phrase: "native tests".
pub(crate) fn run(name: &str, command: &mut Command) -> Outcome {
    let start = Instant::now();
    let (status, output) = attend(name, command, start)?;
    if status.success() {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(output.as_bytes());
    drop(stdout);
    Err(Fault::new(format!("{name} failed: `{}` ended with {status}", words_of(command))))
}

/// Runs a program whose output is what one came for.
pub(crate) fn watch(name: &str, command: &mut Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Fault::new(format!("{name} ended with {status}"))),
        Err(cause) => Err(Fault::new(format!("{name} cannot be started: {cause}"))),
    }
}

fn attend(name: &str, command: &mut Command, start: Instant) -> Outcome<(ExitStatus, String)> {
    let cannot = |cause: io::Error, command: &Command| {
        Fault::new(format!("{name}: cannot start `{}`: {cause}", words_of(command)))
    };
    // One pipe for both streams keeps their lines in the order in which they were written.
    let (reader, writer) = io::pipe().map_err(|cause| cannot(cause, command))?;
    let second = writer.try_clone().map_err(|cause| cannot(cause, command))?;
    command.stdin(Stdio::null()).stdout(writer).stderr(second);
    let child = command.spawn();
    // The command keeps its ends of the pipe; the reader sees the end only once they are closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.map_err(|cause| cannot(cause, command))?;

    let lines = lines_of(reader);
    let mut output = String::new();
    let mut closing = Closing::default();
    let mut heard = start;
    let mut ended: Option<Instant> = None;
    loop {
        match lines.recv_timeout(LOOK_EVERY) {
            Ok(line) => {
                if let Some(shown) = closing.heed(&line) {
                    say(&shown);
                    heard = Instant::now();
                }
                // Writing to a string cannot fail.
                let _ = writeln!(output, "{line}");
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                if ended.is_some_and(|at| at.elapsed() > AFTERMATH_MAX) {
                    break;
                }
                if ended.is_none() && matches!(child.try_wait(), Ok(Some(_))) {
                    ended = Some(Instant::now());
                }
            }
        }
        if heard.elapsed() > PROGRESS_EVERY {
            heard = Instant::now();
            say(&format!("       {name}: at work for {} s", start.elapsed().as_secs()));
        }
    }
    let status = child.wait().map_err(|cause| cannot(cause, command))?;
    Ok((status, output))
}

fn lines_of(pipe: PipeReader) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

/// The command as one would type it.
fn words_of(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    // Cargo is started by its full path, which says nothing to the reader.
    let program = program.rsplit(['/', '\\']).next().unwrap_or(&program).to_owned();
    let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Picks out the lines with which tests close, each after the name of what was tested.
#[derive(Debug, Default)]
struct Closing {
    subject: Option<String>,
}

impl Closing {
    /// What to show on hearing `line`, if anything. A binary without a single test is passed over.
    fn heed(&mut self, line: &str) -> Option<String> {
        // Cargo indents its own words; a test may print the same at the start of a line.
        if let Some(rest) = line.strip_prefix("     Running ") {
            self.subject = Some(subject_of(rest));
            return None;
        }
        if let Some(rest) = line.strip_prefix("   Doc-tests ") {
            self.subject = Some(format!("documentation of {rest}"));
            return None;
        }
        let line = line.trim();
        if line.starts_with("test result: ") {
            let subject = self.subject.take();
            if line.starts_with("test result: ok. 0 passed; 0 failed; 0 ignored") {
                return None;
            }
            return Some(match subject {
                Some(subject) => format!("       {subject}\n{line}"),
                None => line.to_owned(),
            });
        }
        // Node's own test runner: "# pass 12", or "ℹ pass 12" on a terminal.
        let count = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
        let is_total = ["tests ", "pass ", "fail "].iter().any(|word| count.starts_with(word));
        is_total.then(|| line.to_owned())
    }
}

/// "unittests src/lib.rs (target/debug/deps/shared-0123)" is "shared: unittests src/lib.rs".
fn subject_of(running: &str) -> String {
    let Some((source, program)) = running.split_once(" (") else {
        return running.to_owned();
    };
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let name = name.rsplit_once('-').map_or(name, |(name, _)| name);
    format!("{name}: {source}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_closing_lines_are_shown() {
        let mut closing = Closing::default();
        #[rustfmt::skip]
        let cases = [
            ("   Compiling sha2 v0.10.9",                       None),
            ("     Running unittests src/lib.rs (deps/a_b-1)",    None),
            ("test lease_passes_on ... ok",                     None),
            ("test result: ok. 3 passed; 0 failed",
             Some("       a_b: unittests src/lib.rs\ntest result: ok. 3 passed; 0 failed")),
            ("     Running unittests src/main.rs (deps/b-1)",   None),
            ("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured", None),
            ("Running headless tests in Chrome on `…`",         None),
            ("test result: FAILED. 1 passed; 1 failed",         Some("test result: FAILED. 1 passed; 1 failed")),
            ("# pass 12",                                       Some("# pass 12")),
            ("# Subtest: placing",                              None),
        ];
        for (line, shown) in cases {
            assert_eq!(closing.heed(line).as_deref(), shown, "{line}");
        }
    }

    #[test]
    fn a_program_that_cannot_be_started_is_named() {
        let fault = run("a try", &mut Command::new("/nowhere/no-such-program"));
        let told = fault.expect_err("there is no such program").to_string();
        assert!(told.starts_with("a try: cannot start `no-such-program`: "), "{told}");
    }

    #[cfg(unix)]
    #[test]
    fn a_failed_program_is_told_with_its_words() {
        let fault = run("a try", Command::new("sh").args(["-c", "exit 3"]));
        let told = fault.expect_err("the program exits with 3").to_string();
        assert_eq!(told, "a try failed: `sh -c exit 3` ended with exit status: 3");
    }
}
