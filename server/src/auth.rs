//! Who asks, and for which sessions and users.
//!
//! Two guards. With a key, each request carries a bearer token (JWT, HS256 or EdDSA) with the claims
//! `sub`, `sessions` (patterns with `*`), `exp` and, where there are several, `tenant`. Without a
//! key the server is for development: it listens on loopback only, and takes every request that did
//! come from this machine, as far as that can be told.
//!
//! What always holds: a token is read only from the `Authorization` header, or from what a WebSocket offers in its place; what a token does not
//! name is not allowed; nothing of a token is ever logged.

use std::fmt;

use axum::http::{HeaderMap, header};
use bellwether_shared::base::limits;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::fault::Fault;

/// What stands before every request to `/v1`.
pub enum Guard {
    /// Everyone on this machine, without tokens.
    Development,
    /// Holders of a token.
    Tokens(Box<TokenKey>),
}

/// The key that tokens are checked with.
pub struct TokenKey {
    key: DecodingKey,
    validation: Validation,
}

/// Someone who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose sessions; empty where there are no tenants.
    pub tenant: Box<str>,
    scope: Scope,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Everything,
    Claimed { subject: Box<str>, sessions: Box<[Box<str>]> },
}

#[derive(Deserialize)]
struct Claims {
    sub: Box<str>,
    #[serde(default)]
    tenant: Box<str>,
    sessions: Box<[Box<str>]>,
}

impl Guard {
    /// Who asks with these headers.
    ///
    /// # Errors
    /// [`Fault::Unauthorized`] without a valid token; [`Fault::Forbidden`] in development if the request came
    /// by a proxy or under a foreign host name.
    pub fn admit(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        match self {
            Self::Development => {
                came_from_this_machine(headers)?;
                Ok(Caller { tenant: "".into(), scope: Scope::Everything })
            }
            Self::Tokens(key) => key.admit(headers),
        }
    }

    /// Whether this is the guard for development.
    #[must_use]
    pub fn is_development(&self) -> bool {
        matches!(self, Self::Development)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_development() { "Development" } else { "Tokens" })
    }
}

impl TokenKey {
    /// Tokens signed with a shared secret (HS256).
    #[must_use]
    pub fn hs256(secret: &[u8]) -> Self {
        Self::new(DecodingKey::from_secret(secret), Algorithm::HS256)
    }

    /// Tokens signed with Ed25519; `pem` is the public key.
    ///
    /// # Errors
    /// It is no such key.
    pub fn eddsa(pem: &[u8]) -> Result<Self, String> {
        let key = DecodingKey::from_ed_pem(pem).map_err(|fault| fault.to_string())?;
        Ok(Self::new(key, Algorithm::EdDSA))
    }

    fn new(key: DecodingKey, algorithm: Algorithm) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        // Tokens may name an audience; which one is the app's concern.
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Self { key, validation }
    }

    fn admit(&self, headers: &HeaderMap) -> Result<Caller, Fault> {
        let token = bearer(headers)?;
        let read = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation);
        let claims =
            read.map_err(|fault| unauthorized(&format!("the token is not valid: {fault}")));
        let Claims { sub, tenant, sessions } = claims?.claims;
        let fits = [&sub, &tenant].iter().all(|name| name.len() <= limits::NAME_BYTES_MAX);
        if !fits || sessions.len() > PATTERNS_MAX {
            return Err(unauthorized("the token's claims are over their bounds"));
        }
        Ok(Caller { tenant, scope: Scope::Claimed { subject: sub, sessions } })
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").finish_non_exhaustive()
    }
}

impl Caller {
    /// Whether the caller may read and write this session.
    ///
    /// # Errors
    /// [`Fault::Forbidden`].
    pub fn may_use(&self, session: &str) -> Result<(), Fault> {
        match &self.scope {
            Scope::Everything => Ok(()),
            Scope::Claimed { sessions, .. } => {
                if sessions.iter().any(|pattern| fits(pattern, session)) {
                    Ok(())
                } else {
                    Err(Fault::Forbidden("the token does not cover this session".into()))
                }
            }
        }
    }

    /// Whether the caller may push as this user; empty stands for no user.
    ///
    /// # Errors
    /// [`Fault::Forbidden`].
    pub fn may_speak_as(&self, user: &str) -> Result<(), Fault> {
        match &self.scope {
            Scope::Claimed { subject, .. } if !user.is_empty() && **subject != *user => {
                Err(Fault::Forbidden("the stream's user is not the token's subject".into()))
            }
            Scope::Everything | Scope::Claimed { .. } => Ok(()),
        }
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any text, none included.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        // The first place it is found at leaves the most for the pieces after it.
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

/// Whether a host, with or without a port, is this machine's own name for itself.
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a page's origin is served from this machine.
#[must_use]
pub fn is_loopback_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.is_some_and(is_loopback_host)
}

// A proxy on this machine makes strangers look local, and so does a name of theirs that was made to
// point here; both leave a trace.
fn came_from_this_machine(headers: &HeaderMap) -> Result<(), Fault> {
    let by_proxy = headers
        .keys()
        .map(header::HeaderName::as_str)
        .find(|name| matches!(*name, "forwarded" | "via") || name.starts_with("x-forwarded-"));
    if let Some(name) = by_proxy {
        return Err(Fault::Forbidden(
            format!(
                "the request came by a proxy ({name}), and this server runs without tokens, for \
                 development on one machine; configure a token key"
            )
            .into(),
        ));
    }
    match headers.get(header::HOST).map(header::HeaderValue::to_str) {
        Some(Ok(host)) if is_loopback_host(host) => Ok(()),
        None => Ok(()),
        Some(_) => Err(Fault::Forbidden(
            "the request names a foreign host, and this server runs without tokens, for \
             development on one machine; ask for localhost, or configure a token key"
                .into(),
        )),
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Fault> {
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| unauthorized("send a token: Authorization: Bearer …"))?;
    let text = value.to_str().map_err(|_| unauthorized("the Authorization header is not text"))?;
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) | None => {
            return Err(unauthorized("the Authorization header is not of type Bearer"));
        }
    };
    if token.len() > limits::TOKEN_BYTES_MAX {
        return Err(unauthorized("the token is too long"));
    }
    Ok(token)
}

fn unauthorized(words: &str) -> Fault {
    Fault::Unauthorized(words.into())
}

const LEEWAY_S: u64 = 30;
const PATTERNS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        #[rustfmt::skip]
        let cases = [
            // pattern      text          fits
            ("board-1",     "board-1",    true),
            ("board-1",     "board-12",   false),
            ("*",           "",           true),
            ("*",           "anything",   true),
            ("board-*",     "board-",     true),
            ("board-*",     "board-1",    true),
            ("board-*",     "bird-1",     false),
            ("*-1",         "board-1",    true),
            ("*-1",         "board-2",    false),
            ("a*b*c",       "a-b-b-c",    true),
            ("a*b*c",       "a-c-b",      false),
            ("ab*ba",       "aba",        false),
            ("",            "",           true),
            ("",            "x",          false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(fits(pattern, text), expected, "{pattern} and {text}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        #[rustfmt::skip]
        let cases = [
            ("localhost",              true),
            ("LOCALHOST:8787",         true),
            ("app.localhost:80",       true),
            ("127.0.0.1:1",            true),
            ("127.9.9.9",              true),
            ("[::1]:8787",             true),
            ("localhost.evil.example", false),
            ("10.0.0.1",               false),
            ("",                       false),
        ];
        for (host, expected) in cases {
            assert_eq!(is_loopback_host(host), expected, "{host}");
            assert_eq!(is_loopback_origin(&format!("http://{host}")), expected, "{host}");
        }
        assert!(!is_loopback_origin("null"));
    }
}
