//! Runs compiled wasm tests in a browser, for `cargo test --target wasm32-unknown-unknown`.
//!
//! Cargo starts this with the compiled test and its arguments, as it is told to by
//! `CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER`; the rest is wasm-bindgen's own runner.

use std::process::ExitCode;

fn main() -> ExitCode {
    match wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
