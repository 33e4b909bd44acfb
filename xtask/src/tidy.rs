//! What a machine can check about how the sources are written.
//!
//! What always holds: a rule is a function of the sources' text alone, so that its tests can plant
//! a fault and see it caught; all faults are told, not only the first.
//!
//! Not here: what the compiler, the formatter and clippy already check.

mod code;
mod direction;
mod manifest;
mod words;

use crate::fault::{Fault, Outcome};
use crate::file;
use crate::repo::Repo;
use crate::step::say;

/// Longer files are reported, and nothing more: some have a reason.
const LINES_MAX: usize = 600;

/// What is built, fetched or not ours.
const PASSED_OVER: &[&str] = &["target", "node_modules", "dist", "build", ".git"];

const IDS: &str = "xtask/feature-ids.txt";

/// A file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path from the root, with `/` between the parts.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file it is in.
    pub(crate) path: String,
    /// The line, counted from 1; 0 where the whole file is meant.
    pub(crate) line: usize,
    /// What is wrong with it.
    pub(crate) what: String,
}

impl Finding {
    fn new(source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, what: what.into() }
    }
}

/// Checks all files of the repository.
pub(crate) fn check(repo: &Repo) -> Outcome {
    let sources = sources(repo)?;
    for source in sources.iter().filter(|source| is_code(&source.path)) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            say(&format!("       long: {} has {lines} lines", source.path));
        }
    }
    let findings = findings(&sources, &file::read_text(&repo.at(IDS))?);
    for Finding { path, line, what } in &findings {
        say(&if *line == 0 { format!("{path}: {what}") } else { format!("{path}:{line}: {what}") });
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err(Fault::new("tidy found 1 fault, told above")),
        many => Err(Fault::new(format!("tidy found {many} faults, told above"))),
    }
}

fn sources(repo: &Repo) -> Outcome<Vec<Source>> {
    let root = repo.at("");
    let wanted = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        !PASSED_OVER.contains(&name)
    };
    let mut sources = Vec::new();
    for path in file::below(&root, &wanted)? {
        // What is not text (icons, recorded bytes) has no words to check.
        if let Ok(text) = String::from_utf8(file::read(&root.join(&path))?) {
            sources.push(Source { path, text });
        }
    }
    Ok(sources)
}

fn findings(sources: &[Source], ids: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        found.extend(header(source));
        found.extend(direction::check(source));
        found.extend(manifest::check(source));
        found.extend(words::forbidden(source));
        if source.path != IDS {
            found.extend(words::unknown_ids(source, ids));
        }
    }
    found.sort();
    found
}

/// Every source file begins by saying what it is for.
fn header(source: &Source) -> Option<Finding> {
    if !is_code(&source.path) {
        return None;
    }
    let mut lines = source.text.lines().filter(|line| !line.trim().is_empty());
    let mut first = lines.next().unwrap_or_default();
    if first.starts_with("#!/") {
        first = lines.next().unwrap_or_default();
    }
    let is_comment = first.starts_with("//") || first.starts_with("/*");
    (!is_comment).then(|| Finding::new(source, 1, "begins without a comment that says what it is"))
}

fn is_code(path: &str) -> bool {
    [".rs", ".ts", ".js", ".mjs"].iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_source_without_a_header_is_found() {
        #[rustfmt::skip]
        let cases = [
            ("a.rs",   "//! What a is.\nfn a() {}",           false),
            ("a.rs",   "\n// What a is.\nfn a() {}",          false),
            ("a.ts",   "/** What a is. */\nlet a;",           false),
            ("a.mjs",  "#!/usr/bin/env node\n// What it is.", false),
            ("a.toml", "[package]",                           false),
            ("a.rs",   "fn a() {}\n// late",                  true),
            ("a.ts",   "let a;",                              true),
            ("a.mjs",  "#!/usr/bin/env node\nlet a;",         true),
            ("a.rs",   "",                                    true),
        ];
        for (path, text, found) in cases {
            assert_eq!(header(&source(path, text)).is_some(), found, "{path}: {text:?}");
        }
    }

    #[test]
    fn each_rule_takes_part() {
        let faulty = [
            source("a.rs", "fn a() {}"),
            source("b.md", concat!("see HOST-", "99")),
            source("c.rs", &format!("// c\nfn c() {{ {}!() }}", "todo")),
            source("shared/Cargo.toml", "[dependencies]\ntokio = \"1\""),
            source("shared/src/rows/d.rs", "// d\nuse crate::outbox::Outbox;"),
        ];
        let found = findings(&faulty, "HOST-1\n");
        let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, ["a.rs", "b.md", "c.rs", "shared/Cargo.toml", "shared/src/rows/d.rs"]);
    }
}
