//! G9: nothing is sent under another user's token.

use bellwether_shared::wire::Push;

/// Only Ann has a token, and only for one session.
#[must_use]
pub fn push(push: &Push, token: Option<&str>) -> Vec<String> {
    self::token((&push.stream.session, &push.stream.user), token)
}

/// The same for whoever it is sent for.
pub(crate) fn token(whose: (&str, &str), token: Option<&str>) -> Vec<String> {
    match token {
        Some(_) if whose != ("s", "ann") => {
            vec![format!("{}/{} is pushed under another's token", whose.0, whose.1)]
        }
        Some(_) | None => Vec::new(),
    }
}
