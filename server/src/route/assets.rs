//! The files of `--static`, for demonstrations and small apps.
//!
//! What always holds: each answer is revalidated before it is used again, so that a new build is
//! seen at once; a service worker from any folder may serve the whole origin.

use std::path::Path;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeader;

/// Serves `directory` at every address that nothing else has.
pub(crate) fn serve(router: Router, directory: &Path) -> Router {
    let files = ServeDir::new(directory).append_index_html_on_directories(true);
    let files = SetResponseHeader::overriding(
        files,
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache"),
    );
    router.fallback_service(SetResponseHeader::overriding(
        files,
        HeaderName::from_static("service-worker-allowed"),
        HeaderValue::from_static("/"),
    ))
}
