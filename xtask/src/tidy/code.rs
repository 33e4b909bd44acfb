//! Rust source with its comments and strings blanked, and the paths that it names.
//!
//! What always holds: lines stay where they are, so a finding can name its line. It is a reader's
//! eye and no compiler: it knows where text ends and code begins, and nothing of meaning.

/// The text with the content of comments, strings and characters replaced by spaces.
pub(super) fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        let is_word = before.is_alphanumeric() || before == '_';
        let length = match letter {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' if !is_word && raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            bare.push(letter);
            before = letter;
            rest = &rest[letter.len_utf8()..];
        } else {
            let (blanked, after) = rest.split_at(length);
            bare.extend(blanked.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            before = ' ';
            rest = after;
        }
    }
    bare
}

/// For each path that starts with `root::`: the name after that, and its line. A group in braces
/// gives the first name of each of its members.
pub(super) fn names_after(bare: &str, root: &str) -> Vec<(String, usize)> {
    let start = format!("{root}::");
    let mut found = Vec::new();
    for (at, _) in bare.match_indices(&start) {
        let is_longer = bare[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if is_longer {
            continue;
        }
        let line = bare[..at].matches('\n').count() + 1;
        let rest = &bare[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                found.extend(members(group).into_iter().map(|member| (member, line)));
            }
            None => found.push((first_name(rest), line)),
        }
    }
    found
}

/// The first name of each member of a group, whose opening brace has been read.
fn members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut found = Vec::new();
    let mut start = 0;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(first_name(group[start..at].trim_start()));
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn first_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|&c| c == '#').count();
    let content = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let open = 2 + hashes;
    Some(content.find(&end).map_or(text.len(), |at| open + at + end.len()))
}

/// The length of a character literal, or 0 for a lifetime.
fn character(text: &str) -> usize {
    let inside = &text[1..];
    if inside.starts_with('\\') {
        // The escaped character itself may be the quote.
        return inside.get(2..).and_then(|rest| rest.find('\'')).map_or(0, |at| at + 4);
    }
    let first = inside.chars().next().map_or(0, char::len_utf8);
    if first > 0 && inside[first..].starts_with('\'') { first + 2 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        #[rustfmt::skip]
        let cases = [
            ("let a = 1; // b",              "let a = 1;     "),
            ("a /* b /* c */ d */ e",        "a                   e"),
            (r#"f("g \" // h", 'i')"#,       "f(           ,    )"),
            ("r#\"j\"k\"# l",                "         l"),
            ("fn m<'a>(n: &'a str) {}",      "fn m<'a>(n: &'a str) {}"),
            (r"o('\'', '\\', '\u{1}') // p", "o(    ,     ,        )     "),
            ("/* q\nr */ s",                 "    \n     s"),
            ("for\"t\"",                     "for   "),
        ];
        for (text, expected) in cases {
            assert_eq!(bare(text), expected, "{text}");
        }
    }

    #[test]
    fn names_are_read_from_paths_and_from_groups() {
        let text = "use crate::outbox;\n\
                    use crate::{base::ids, state::{mirror, lead}, idle};\n\
                    fn f() { crate::lock::g(); my_crate::host(); }\n\
                    use crate::{\n    rows::Row,\n    page,\n};";
        let found = names_after(&bare(text), "crate");
        let found: Vec<(&str, usize)> = found.iter().map(|(n, l)| (n.as_str(), *l)).collect();
        #[rustfmt::skip]
        let expected = [
            ("outbox", 1), ("base", 2), ("state", 2), ("idle", 2), ("lock", 3), ("rows", 4), ("page", 4),
        ];
        assert_eq!(found, expected);
    }
}
