//! Texts put together without the standard library: its formatting is 1.4 KB of wasm, and its `concat` 1 KB.

/// A number in decimal digits.
#[must_use]
pub fn decimal(number: u64) -> String {
    let mut text = String::new();
    push(&mut text, number);
    text
}

/// The parts one after the other.
#[must_use]
pub fn joined(parts: &[&str]) -> String {
    let mut text = String::new();
    parts.iter().for_each(|part| text.push_str(part));
    text
}

fn push(text: &mut String, number: u64) {
    if number >= 10 {
        push(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_what_the_standard_library_writes() {
        for number in [0, 7, 10, 99, 1_000, 987_654_321, u64::MAX] {
            assert_eq!(decimal(number), number.to_string());
        }
    }
}
