//! Where the server's own log goes: to standard error, as lines for people or as JSON.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging for the process. A second call changes nothing.
///
/// # Errors
/// `filter` cannot be read: a sentence.
pub fn start(filter: &str, json: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|fault| {
        format!(
            "cannot read the log filter {filter:?}: {fault}; try info, or bellwether_server=debug"
        )
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // An error only says that someone else has set it up.
    let _ = if json { lines.json().try_init() } else { lines.try_init() };
    Ok(())
}
