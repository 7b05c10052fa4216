//! What the server answers over HTTP, and the checks before any answer.
//!
//! [`site`] puts the checks around an application's routes: request size, plain or secure, Host.
//! [`health_route`] makes the route that monitors ask.
//! [`socket_route`] makes the route of one kind of socket; it checks Origin itself, in the order
//! that Phoenix does.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderMap};
use hyper::{Method, StatusCode, Uri};
use serde::Serialize;
use snug_protocol::{ADVERT_PATH, Advert};
use tokio::sync::watch;

use crate::listener::Peer;
use crate::origin::is_native_socket;
use crate::socket::{Application, ConnectionInfo, SocketOptions, upgrade};
use crate::{OriginRules, pages};

/// Bounds the path and query of a request, as the servers under Phoenix do.
const URL_BYTES_MAX: usize = 8_000;

/// Bounds the header lines of a request together; browsers with large cookies send 8 kB.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// What every request is checked against.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Who we are and who may open sockets.
    pub origins: Arc<OriginRules>,
    /// Answers plain http and ws from other computers too.
    pub allow_plain: bool,
}

/// What `/healthz` says, as JSON.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Health {
    /// How many rooms have somebody in them.
    pub rooms: usize,
    /// Whether sound and picture can flow. If not, the status is 503 (Service Unavailable).
    pub media: bool,
}

/// Answers `/healthz` with what `look` finds.
pub fn health_route<F>(look: impl Fn() -> F + Clone + Send + Sync + 'static) -> Router
where
    F: Future<Output = Health> + Send,
{
    let answer = async move || {
        let health = look().await;
        let status = match health.media {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(health))
    };
    Router::new().route("/healthz", get(answer))
}

/// Tells whoever asks which rooms there are, as JSON: those who look for rooms ask so where nothing
/// else of ours gets through, before any trust.
pub fn advert_route(adverts: watch::Receiver<Advert>) -> Router {
    let answer = async move || {
        let json = adverts.borrow().to_json();
        ([(header::CONTENT_TYPE, "application/json")], json)
    };
    Router::new().route(ADVERT_PATH, get(answer))
}

/// Puts the answer to unknown paths and all checks around `routes`.
pub fn site(gate: Gate, routes: Router) -> Router {
    routes
        .fallback(async || pages::missing())
        .layer(middleware::from_fn_with_state(gate, check))
}

/// Serves the channels of `application` at `path` + `/websocket`, for example at
/// `/socket/websocket` for the path `/socket`. Each route checks Origin by `origins`.
pub fn socket_route<A: Application>(
    path: &str,
    application: A,
    options: SocketOptions,
    origins: &Arc<OriginRules>,
) -> Router {
    let origins = Arc::clone(origins);
    let options = Arc::new(options);
    let handler = any(move |request: Request| {
        let answer = upgrade::answer(&application, &options, &origins, request);
        async move { answer }
    });
    Router::new()
        .route(&format!("{path}/websocket"), handler.clone())
        .route(&format!("{path}/websocket/"), handler)
}

async fn check(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.refusal(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

impl Gate {
    fn refusal(&self, request: &Request) -> Option<Response> {
        let url_bytes = request
            .uri()
            .path_and_query()
            .map_or(0, |url| url.as_str().len());
        if url_bytes > URL_BYTES_MAX {
            return Some(url_too_long());
        }
        let header_bytes = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
            name.as_str().len() + value.len() + 4
        };
        if request.headers().iter().map(header_bytes).sum::<usize>() > HEADER_BYTES_MAX {
            return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response());
        }
        let Some(peer) = request.extensions().get::<Peer>() else {
            return Some(StatusCode::INTERNAL_SERVER_ERROR.into_response());
        };
        let is_near = peer.info.remote.ip().is_loopback();
        if !peer.info.secure && !is_near && !self.allow_plain {
            return Some(self.refuse_plain(request, &peer.info));
        }
        match host_of(request.uri(), request.headers()) {
            None => Some(StatusCode::BAD_REQUEST.into_response()),
            Some(host)
                if !self.origins.host_is_ours(host, &peer.info)
                    && !is_native_socket(request.headers(), &peer.info) =>
            {
                Some(StatusCode::FORBIDDEN.into_response())
            }
            Some(_) => None,
        }
    }

    /// Answers who came by plain http from another computer: a person at a page's address is sent
    /// to the same by https, everybody else is told.
    fn refuse_plain(&self, request: &Request, connection: &ConnectionInfo) -> Response {
        let path = request.uri().path();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let host = host_of(request.uri(), request.headers())
            .filter(|host| self.origins.host_is_ours(host, connection));
        match host {
            Some(host) if reads && pages::is_page(path) => pages::to_https(host, path),
            _ => {
                let text = "This Snug server answers over https and wss only.\n";
                (StatusCode::FORBIDDEN, text).into_response()
            }
        }
    }
}

/// Returns whom the request names: the authority of an absolute URL, else the one Host header
/// (RFC 9112 section 3.2).
pub(crate) fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// Uses the older name of the status, which clients of Phoenix see.
fn url_too_long() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::URI_TOO_LONG;
    response
        .extensions_mut()
        .insert(ReasonPhrase::from_static(b"Request-URI Too Long"));
    response
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::Config;
    use crate::socket::ConnectionInfo;

    const LAN: &str = "192.168.1.20:7684";
    const LOOPBACK: &str = "127.0.0.1:7684";

    fn status(local: &str, secure: bool, allow_plain: bool, head: &[(&str, &str)]) -> u16 {
        let request = Request::get("/socket/websocket?vsn=2.0.0");
        let refusal = refusal_of(request, local, secure, allow_plain, head);
        refusal.map_or(200, |refusal| refusal.status().as_u16())
    }

    fn refusal_of(
        mut request: hyper::http::request::Builder,
        local: &str,
        secure: bool,
        allow_plain: bool,
        head: &[(&str, &str)],
    ) -> Option<Response> {
        let local: SocketAddr = local.parse().unwrap();
        let origins = Arc::new(OriginRules::new(&Config::default(), "desk").unwrap());
        for (name, value) in head {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let info = ConnectionInfo {
            local,
            remote: local,
            secure,
        };
        request.extensions_mut().insert(Peer::of(info));
        Gate {
            origins,
            allow_plain,
        }
        .refusal(&request)
    }

    #[test]
    fn a_page_that_is_opened_by_plain_http_is_offered_by_https_and_nothing_else_is() {
        let opened = |path: &str, host: &str| {
            let refusal = refusal_of(Request::get(path), LAN, false, false, &[("host", host)]);
            let refusal = refusal.expect("it is refused");
            let place = refusal.headers().get(header::LOCATION);
            let place = place.map(|place| place.to_str().unwrap().to_owned());
            (refusal.status().as_u16(), place)
        };
        let place = |path: &str| (307, Some(format!("https://{LAN}{path}")));
        assert_eq!(opened("/", LAN), place("/"));
        assert_eq!(opened("/room/a%20b?c", LAN), place("/room/a%20b"));
        assert_eq!(opened("/socket/websocket", LAN), (403, None));
        assert_eq!(opened("/room/a", "evil.example"), (403, None));
        let post = Request::post("/room/a");
        let told = refusal_of(post, LAN, false, false, &[("host", LAN)]).expect("a refusal");
        assert_eq!(told.status(), 403);
        let near = [("host", LOOPBACK)];
        assert!(refusal_of(Request::get("/"), LOOPBACK, false, false, &near).is_none());
        let allowed = refusal_of(Request::get("/"), LAN, false, true, &[("host", LAN)]);
        assert!(allowed.is_none(), "behind a proxy that speaks https");
    }

    #[test]
    fn plain_http_is_for_this_computer_unless_allowed() {
        assert_eq!(status(LOOPBACK, false, false, &[("host", LOOPBACK)]), 200);
        assert_eq!(status(LAN, false, false, &[("host", LAN)]), 403);
        assert_eq!(status(LAN, false, true, &[("host", LAN)]), 200);
        assert_eq!(status(LAN, true, false, &[("host", LAN)]), 200);
    }

    #[test]
    fn a_host_must_be_named_once_and_be_ours() {
        assert_eq!(status(LAN, true, false, &[]), 400);
        assert_eq!(
            status(LAN, true, false, &[("host", LAN), ("host", LAN)]),
            400
        );
        assert_eq!(status(LAN, true, false, &[("host", "evil.example")]), 403);
        assert_eq!(status(LAN, true, false, &[("host", "localhost:7684")]), 403);
        assert_eq!(
            status(LAN, true, false, &[("host", "Desk.local:7684")]),
            200
        );
    }

    #[test]
    fn a_native_program_may_call_us_by_any_name_and_a_page_may_not() {
        let host = ("host", "desk.office.example:7684");
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let rebound = ("origin", "https://desk.office.example:7684");
        assert_eq!(status(LAN, true, false, &[host, key]), 200);
        assert_eq!(status(LAN, true, false, &[host]), 403, "no socket");
        assert_eq!(status(LAN, true, false, &[host, key, rebound]), 403);
        assert_eq!(
            status(LAN, true, false, &[host, key, ("origin", "null")]),
            403
        );
        let fetch = ("sec-fetch-site", "same-origin");
        assert_eq!(status(LAN, true, false, &[host, key, fetch]), 403);
        assert_eq!(status(LAN, false, true, &[host, key]), 403, "not over TLS");
        assert_eq!(
            status(LAN, true, false, &[host, host, key]),
            400,
            "still named once"
        );
    }

    #[test]
    fn large_heads_are_refused() {
        let big = "b".repeat(HEADER_BYTES_MAX);
        assert_eq!(
            status(LAN, true, false, &[("host", LAN), ("x-big", &big)]),
            431
        );
        let cookie = "b".repeat(8 * 1024);
        assert_eq!(
            status(LAN, true, false, &[("host", LAN), ("cookie", &cookie)]),
            200
        );
    }
}
