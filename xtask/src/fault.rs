//! What went wrong, as one sentence for the person at the terminal.
//!
//! What always holds: the sentence says what is missing or broken and, where there is one, the
//! command that mends it. Nothing above `main` prints a fault; it travels up by `?`.

use std::fmt;
use std::io;
use std::path::Path;

/// One sentence that says what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault(String);

/// What every command and step returns.
pub(crate) type Outcome<T = ()> = Result<T, Fault>;

impl Fault {
    /// A fault that reads as `sentence`.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// A file that could not be used: `verb` is what was tried, such as "read".
    pub(crate) fn file(verb: &str, path: &Path, cause: &io::Error) -> Self {
        Self(format!("cannot {verb} {}: {cause}", path.display()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
