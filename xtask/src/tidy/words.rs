//! Words that must not be in the repository, and ids of features that must exist where cited.

use super::{Finding, Source, code};

/// Families of features; an id is a family, a hyphen and a number.
const FAMILIES: &[&str] =
    &["HOST", "STATE", "OUT", "IDLE", "LEAD", "LOCK", "SRV", "DEV", "OBS", "PKG"];

/// Beginnings of paths that exist on somebody's machine only. They are written in two parts
/// here, as are the words below, so that this file does not find itself.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// What is left for later, or switched off.
const UNFINISHED: &[&str] =
    &[concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ign", "ore")];

const REMINDER: &str = concat!("FIX", "ME");

const SLEEP: &str = concat!("thread::", "sleep");

pub(super) fn forbidden(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, line) in source.text.lines().enumerate() {
        for path in MACHINE_PATHS.iter().filter(|path| names_place(line, path)) {
            found.push(Finding::new(source, place + 1, format!("names a place under `{path}`")));
        }
        if line.contains(REMINDER) {
            found.push(Finding::new(source, place + 1, format!("has a `{REMINDER}`")));
        }
        if is_foreign(source, line) {
            let what = "names a registry other than the public one of npm";
            found.push(Finding::new(source, place + 1, what));
        }
    }
    if source.path.ends_with(".rs") {
        found.extend(unfinished(source));
    }
    found
}

/// Each id of a known family in the text that `ids` does not list.
pub(super) fn unknown_ids(source: &Source, ids: &str) -> Vec<Finding> {
    if source.path.ends_with("lock") || source.path.ends_with("package-lock.json") {
        return Vec::new();
    }
    let lines = source.text.lines().enumerate();
    let cited = lines.flat_map(|(place, line)| cited(line).map(move |id| (place + 1, id)));
    cited
        .filter(|(_, id)| !ids.lines().any(|known| known == id))
        .map(|(line, id)| Finding::new(source, line, format!("cites {id}, which does not exist")))
        .collect()
}

fn unfinished(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let bare = code::bare(&source.text);
    let mut is_test = source.path.split('/').any(|part| part == "tests" || part == "tests.rs");
    for (place, line) in bare.lines().enumerate() {
        is_test |= line.trim_start().starts_with("#[cfg(test)]");
        for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
            found.push(Finding::new(source, place + 1, format!("has a `{word}`")));
        }
        if is_test && line.contains(SLEEP) {
            let what = "sleeps in a test; wait for what it waits for";
            found.push(Finding::new(source, place + 1, what));
        }
    }
    found
}

/// Whether the line has an absolute path that begins like this, and not `https://a.b/…` of the
/// same letters. Of a home, some user's name must follow.
fn names_place(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let is_longer =
            line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-)}~$".contains(c));
        let rest = &line[at + path.len()..];
        !is_longer && (path != MACHINE_PATHS[2] || rest.starts_with(char::is_alphanumeric))
    })
}

/// Whether a line of npm's lock file says that a package came from elsewhere.
fn is_foreign(source: &Source, line: &str) -> bool {
    let from = line.trim_start().strip_prefix("\"resolved\": \"http");
    source.path.ends_with("package-lock.json")
        && from.is_some_and(|from| !from.starts_with("s://registry.npmjs.org/"))
}

fn cited(line: &str) -> impl Iterator<Item = String> {
    FAMILIES.iter().flat_map(move |family| {
        line.match_indices(family).filter_map(move |(at, _)| {
            let is_longer = line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-".contains(c));
            let number = line[at + family.len()..].strip_prefix('-')?;
            let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
            let goes_on = number[digits.len()..].starts_with(|c: char| c.is_alphanumeric());
            (!is_longer && !digits.is_empty() && !goes_on).then(|| format!("{family}-{digits}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: impl Into<String>) -> Source {
        Source { path: path.to_owned(), text: text.into() }
    }

    #[test]
    fn forbidden_words_are_found_where_they_count() {
        let [work, root, home] = MACHINE_PATHS else { panic!("there are three") };
        let [later, never, off] = UNFINISHED else { panic!("there are three") };
        #[rustfmt::skip]
        let cases = [
            ("a.md",       format!("see {work}notes"),                 1),
            ("a.md",       format!("`file://{root}x`"),                1),
            ("a.toml",     format!("path = \"{home}ann/x\""),          1),
            ("a.md",       format!("https://example.org{home}ann"),    0),
            ("a.md",       format!("under {home}<user>"),              0),
            ("a.js",       format!("import '.{work}a.js'"),            0),
            ("a.rs",       format!("fn f() {{ {later}) }}"),           1),
            ("a.rs",       format!("fn f() {{ {never}) }}"),           1),
            ("a.rs",       format!("{off}]\nfn f() {{}}"),             1),
            ("a.rs",       format!("// a {later}) in a comment"),      0),
            ("a.ts",       format!("// {REMINDER}: later"),            1),
            ("a/tests/b.rs", format!("std::{SLEEP}(x);"),              1),
            ("a/src/b.rs", format!("std::{SLEEP}(x);"),                0),
            ("a/src/b.rs", format!("#[cfg(test)]\nstd::{SLEEP}(x);"),  1),
            ("package-lock.json", "\"resolved\": \"http://10.0.0.1/a.tgz\"".into(), 1),
            ("package-lock.json", "\"resolved\": \"https://registry.npmjs.org/a.tgz\"".into(), 0),
        ];
        for (path, text, expected) in cases {
            assert_eq!(forbidden(&source(path, text.clone())).len(), expected, "{path}: {text}");
        }
    }

    #[test]
    fn ids_that_do_not_exist_are_found() {
        #[rustfmt::skip]
        let cases = [
            ("kept in order [OUT-2, STATE-4]",    &[][..]),
            (concat!("see OUT-", "22 and OUT-2"), &[concat!("OUT-", "22")]),
            ("LAYOUT-9, TIMEOUT-30, XOUT-9",      &[]),
            ("OUT-9a, OUT-, OUT",                 &[]),
            (concat!("STATE-", "40."),            &[concat!("STATE-", "40")]),
        ];
        for (text, unknown) in cases {
            let found = unknown_ids(&source("a.rs", text), "OUT-2\nSTATE-4\n");
            let found: Vec<&str> =
                found.iter().filter_map(|finding| finding.what.split([' ', ',']).nth(1)).collect();
            assert_eq!(found, unknown, "{text}");
        }
    }
}
