//! What is asked by a query: who asks, for which session.

use axum::extract::{Query, rejection::QueryRejection};
use axum::http::HeaderMap;

use crate::auth::{Caller, Guard};
use crate::fault::Fault;

/// A query that names a session.
pub(super) trait OfSession {
    /// Which.
    fn session(&self) -> &str;
}

/// Who asks and what, if he may use the session.
///
/// # Errors
/// Those of the guard; [`Fault::Malformed`]: the query cannot be read; [`Fault::Forbidden`].
pub(super) fn admitted<T: OfSession>(
    guard: &Guard,
    headers: &HeaderMap,
    asked: Result<Query<T>, QueryRejection>,
) -> Result<(Caller, T), Fault> {
    let caller = guard.admit(headers)?;
    let Query(asked) = asked.map_err(|fault| Fault::Malformed(fault.body_text().into()))?;
    caller.may_use(asked.session())?;
    Ok((caller, asked))
}
