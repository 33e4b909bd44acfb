//! `bellwether-replay FILE [--step] [--until N] [--quiet]`: plays a flight recording again (OBS-3).
//!
//! Ends with status 1 if anything went another way, and 2 if there is nothing that could be played.

#![allow(clippy::print_stdout, reason = "this is what the program is for")]

use std::io::{self, BufRead};
use std::process::ExitCode;

use bellwether_shared::replay::{Life, Played, play, read};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match asked(&arguments).and_then(|asked| run(&asked)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

#[derive(Debug, Default)]
struct Asked {
    file: String,
    step: bool,
    quiet: bool,
    until: Option<usize>,
}

fn asked(words: &[String]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--step" => asked.step = true,
            "--quiet" => asked.quiet = true,
            "--until" => {
                let number = words.next().and_then(|number| number.parse().ok());
                asked.until = Some(number.ok_or("--until wants the number of a fact")?);
            }
            file if asked.file.is_empty() && !file.starts_with("--") => asked.file = file.into(),
            other => return Err(format!("`{other}` is not understood")),
        }
    }
    if asked.file.is_empty() {
        return Err("name the file of a recording".into());
    }
    Ok(asked)
}

// Whether all went as it was recorded.
fn run(asked: &Asked) -> Result<bool, String> {
    let bytes = std::fs::read(&asked.file).map_err(|why| format!("{}: {why}", asked.file))?;
    let lives = read(&bytes).map_err(|why| format!("{}: {why}", asked.file))?;
    if lives.iter().all(Life::is_empty) {
        return Err(format!("{}: nothing was recorded", asked.file));
    }
    let mut same = true;
    for life in &lives {
        println!("{life}");
        let played = play(life, asked.until.unwrap_or(usize::MAX), &mut |step| {
            if !asked.quiet {
                println!("{step}");
            }
            if asked.step {
                wait_for_enter();
            }
        });
        println!("{}\n", verdict(&played));
        same &= played.difference.is_none();
    }
    Ok(same)
}

fn verdict(played: &Played) -> String {
    let Played { facts, effects, shown, digest, difference } = played;
    let mut text = format!("{facts} facts came to the same {effects} effects ({digest:016x})");
    if *shown > 0 {
        text += &format!("; {shown} were only shown, because a part before them is missing");
    }
    if let Some(difference) = difference {
        text += &format!("; then {difference}");
    }
    text
}

fn wait_for_enter() {
    // At the end of the input it goes on by itself.
    let _ = io::stdin().lock().read_line(&mut String::new());
}
