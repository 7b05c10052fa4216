//! The page by which a browser takes part: files that whoever starts the server hands over.
//!
//! `/` and `/room/NAME` are the page itself, `/assets/...` are its scripts, styles and pictures,
//! whose names change with their content. Only what was handed over is ever served: nothing is
//! looked up on a disk. Each answer tells the browser to load from this server and from nowhere
//! else, and that no other page may frame it.

use std::fmt;

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use snug_protocol::{Pin, RoomName};

/// Path of the page among the files.
const PAGE: &str = "guest.html";

/// What begins the path of every file whose name changes with its content.
const HASHED: &str = "assets/";

/// For a server that was built without the page.
const NO_PAGE: &str = "This build of Snug holds no page for browsers. \
    Join this room with Snug itself, or ask the host to install a packaged Snug.\n";

/// The policy of every answer (Content Security Policy Level 3). Sockets to this server are
/// `'self'` too. Sound and picture of calls come by WebRTC, which it does not govern.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; media-src 'self' blob: mediastream:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// Keeps pages that opened ours, or that ours opened, from reaching into it.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// What every answer carries besides.
const STRICT: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (OPENER_POLICY, "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(self), geolocation=(), display-capture=()",
    ),
];

/// One file of the page for browsers, as plain data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PageFile {
    /// Its path below `/`, such as `assets/guest-1a2b3c4d.js`; the page itself is `guest.html`.
    pub path: &'static str,
    /// Its content.
    pub content: &'static [u8],
}

impl fmt::Debug for PageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, content } = self;
        write!(f, "{path} ({} bytes)", content.len())
    }
}

/// Serves these files; without the page among them, says so where it would be. At `/words` it tells
/// the server's key in words, for the page to show: they prove nothing before somebody compared
/// them with what the host sees.
pub(crate) fn routes(files: &'static [PageFile], pin: Pin) -> Router {
    let words = async move || Json(pin.words());
    let page = async move || page_of(files);
    let room = async move |Path(name): Path<String>| match RoomName::parse(&name) {
        Ok(_) => page_of(files),
        Err(_) => missing(),
    };
    let asset = async move |Path(name): Path<String>| asset(files, &name);
    Router::new()
        .route("/", get(page))
        .route("/room/{name}", get(room))
        .route("/words", get(words))
        .route("/assets/{*name}", get(asset))
        .layer(axum::middleware::map_response(with_strict_headers))
}

/// Answers a path at which there is nothing.
pub(crate) fn missing() -> Response {
    let mut response = (StatusCode::NOT_FOUND, "Not Found").into_response();
    be_strict(response.headers_mut());
    response
}

/// Says whether a path is one of the page's own, which people open by hand or by a link.
pub(crate) fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with("/room/")
}

/// Sends a browser that came by plain http to the same path at the same port by https. It loads
/// nothing before: what comes by http could come from anybody.
pub(crate) fn to_https(host: &str, path: &str) -> Response {
    let text = "This page answers by https only: put https:// before its address.\n";
    let mut response = (StatusCode::TEMPORARY_REDIRECT, text).into_response();
    if let Ok(place) = HeaderValue::try_from(format!("https://{host}{path}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    be_strict(response.headers_mut());
    // Browsers take it from https alone, and complain otherwise.
    response.headers_mut().remove(OPENER_POLICY);
    response
}

async fn with_strict_headers(mut response: Response) -> Response {
    be_strict(response.headers_mut());
    response
}

fn be_strict(headers: &mut HeaderMap) {
    for (name, value) in STRICT {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn page_of(files: &'static [PageFile]) -> Response {
    match files.iter().find(|file| file.path == PAGE) {
        // Each version of the page names other files: it is asked for anew every time.
        Some(file) => answer(file, "no-cache"),
        None => (StatusCode::NOT_FOUND, NO_PAGE).into_response(),
    }
}

fn asset(files: &'static [PageFile], name: &str) -> Response {
    let is_asked = |file: &&PageFile| file.path.strip_prefix(HASHED) == Some(name);
    match files.iter().find(is_asked) {
        Some(file) => answer(file, "public, max-age=31536000, immutable"),
        None => missing(),
    }
}

fn answer(file: &'static PageFile, caching: &'static str) -> Response {
    let mut response = Response::new(Body::from(file.content));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type(file.path));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}

/// Names what a file is by the end of its name; what is not known here a browser only downloads.
fn content_type(path: &str) -> HeaderValue {
    let kind = match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    HeaderValue::from_static(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_scripts_and_what_is_unknown_is_only_data() {
        assert_eq!(
            content_type("assets/a-1.js"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(content_type("guest.html"), "text/html; charset=utf-8");
        assert_eq!(content_type("assets/a.wasm"), "application/octet-stream");
        assert_eq!(content_type("js"), "application/octet-stream");
    }

    #[test]
    fn only_the_pages_own_paths_are_sent_to_https() {
        for path in ["/", "/room/a", "/room/"] {
            assert!(is_page(path), "{path}");
        }
        for path in [
            "",
            "/rooms",
            "/socket/websocket",
            "/healthz",
            "/assets/a.js",
        ] {
            assert!(!is_page(path), "{path}");
        }
    }
}
