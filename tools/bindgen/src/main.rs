//! Turns a compiled wasm module into the JavaScript and wasm that a browser loads.
//!
//! ```text
//! bellwether-bindgen <module.wasm> <folder> <name> no-modules|web [--names]
//! ```
//!
//! `no-modules` is for the worker, a classic script; `web` is for the page, an ES module with its
//! TypeScript declarations. Both give `<name>.js` and `<name>_bg.wasm`. The names of functions are
//! left out of the wasm, a third of its size, unless `--names` asks for them to measure by.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

/// The global under which the worker's script finds its wasm.
const WORKER_GLOBAL: &str = "bellwether_wasm";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (required, names) = match arguments.as_slice() {
        [required @ .., "--names"] => (required, true),
        required => (required, false),
    };
    let &[module, folder, name, kind @ ("no-modules" | "web")] = required else {
        eprintln!(
            "usage: bellwether-bindgen <module.wasm> <folder> <name> no-modules|web [--names]"
        );
        return ExitCode::from(2);
    };
    match convert(Path::new(module), Path::new(folder), name, kind == "web", names) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{module}: {}", told(&*error));
            ExitCode::FAILURE
        }
    }
}

fn convert(
    module: &Path,
    folder: &Path,
    name: &str,
    is_web: bool,
    names: bool,
) -> Result<(), Box<dyn Error>> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name(name)
        .typescript(is_web)
        .remove_name_section(!names)
        .remove_producers_section(true);
    if is_web {
        bindgen.web(true)?;
    } else {
        bindgen.no_modules(true)?.no_modules_global(WORKER_GLOBAL)?;
    }
    Ok(bindgen.generate(folder)?)
}

/// The error and what lies behind it, in one line.
fn told(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
