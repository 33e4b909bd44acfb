//! Turns a compiled wasm module into the JavaScript and wasm that a browser loads.
//!
//! ```text
//! bellwether-bindgen <module.wasm> <folder> <name> worker|page|lead [--trap] [--names]
//! ```
//!
//! Each gives an ES module `<name>.js`, which becomes part of a script, and `<name>_bg.wasm`. What neither needs
//! is left out, see `unused`. The names of functions are left out of the wasm, a third of its size, unless `--names` asks
//! for them to measure by. With `--trap` a panic is a trap without words, and nothing formats, see `panics`.
//!
//! What the two call each other by is shortened: wasm-bindgen puts a hash into each such name, of which
//! none can be compressed.

mod panics;
mod unused;

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

use crate::unused::Kind;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let options = ["--trap", "--names"];
    let (asked, required): (Vec<&str>, Vec<&str>) =
        arguments.iter().partition(|it| options.contains(it));
    let &[module, folder, name, kind] = required.as_slice() else {
        eprintln!(
            "usage: bellwether-bindgen <module.wasm> <folder> <name> worker|page|lead \
             [--trap] [--names]"
        );
        return ExitCode::from(2);
    };
    let Some(kind) = Kind::named(kind) else {
        eprintln!("there is no kind `{kind}`, but worker, page and lead");
        return ExitCode::from(2);
    };
    let [trap, names] = options.map(|option| asked.contains(&option));
    let (module, folder) = (Path::new(module), Path::new(folder));
    match convert(module, folder, name, kind, trap, names) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {}", module.display(), told(&*error));
            ExitCode::FAILURE
        }
    }
}

fn convert(
    module: &Path,
    folder: &Path,
    name: &str,
    kind: Kind,
    trap: bool,
    names: bool,
) -> Result<(), Box<dyn Error>> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name(name)
        .typescript(false)
        .remove_name_section(!names)
        .remove_producers_section(true);
    bindgen.web(true)?;
    let mut output = bindgen.generate_output()?;
    if kind == Kind::Worker {
        output.wasm_mut().exports.remove(unused::WORKER_FREE)?;
    }
    if trap {
        panics::cut(output.wasm_mut())?;
    }
    let mut renamed = Vec::new();
    for import in output.wasm_mut().imports.iter_mut() {
        if is_hashed(&import.name) {
            let short = format!("i{}", renamed.len());
            renamed.push((std::mem::replace(&mut import.name, short.clone()), short));
        }
    }
    for export in output.wasm_mut().exports.iter_mut() {
        if is_hashed(&export.name) {
            let short = format!("e{}", renamed.len());
            renamed.push((std::mem::replace(&mut export.name, short.clone()), short));
        }
    }
    output.emit(folder)?;
    let path = folder.join(format!("{name}.js"));
    let text = with_renamed(&std::fs::read_to_string(&path)?, &renamed);
    std::fs::write(&path, unused::script(&text, kind)?)?;
    Ok(())
}

/// Whether a name ends in a hash of 16 digits, and so stands nowhere by chance.
fn is_hashed(name: &str) -> bool {
    name.len() > 16 && name.bytes().rev().take(16).all(|byte| byte.is_ascii_hexdigit())
}

/// The text with each long name replaced where it stands as a whole word.
fn with_renamed(text: &str, names: &[(String, String)]) -> String {
    let names: HashMap<&str, &str> =
        names.iter().map(|(long, short)| (&**long, &**short)).collect();
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
        let (before, after) = rest.split_at(word);
        written.push_str(names.get(before).copied().unwrap_or(before));
        let between = after.find(is_word).unwrap_or(after.len());
        written.push_str(&after[..between]);
        rest = &after[between..];
    }
    written
}

/// The error and what lies behind it, in one line.
fn told(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_renamed() {
        let names = [("__wbg_a_0123456789abcdef".to_owned(), "i0".to_owned())];
        let text = "x.__wbg_a_0123456789abcdef(); y__wbg_a_0123456789abcdef; // ü";
        assert_eq!(with_renamed(text, &names), "x.i0(); y__wbg_a_0123456789abcdef; // ü");
    }

    #[test]
    fn a_name_is_hashed_if_it_ends_in_sixteen_digits() {
        assert!(is_hashed("__wbg_get_0123456789abcdef"));
        assert!(!is_hashed("__wbindgen_malloc"));
        assert!(!is_hashed("client_append"));
    }
}
