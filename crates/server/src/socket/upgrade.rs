//! From an HTTP request to a running socket, or to the refusal that Phoenix would give.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request};
use axum::response::{IntoResponse, Response};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use snug_phoenix::Version;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Application, Connect, SocketOptions, task};
use crate::OriginRules;
use crate::http::host_of;
use crate::listener::Peer;

/// Answers a request for a socket. The order of the checks is Phoenix's: method, Origin, vsn and
/// application, then the WebSocket headers.
pub(crate) fn answer<A: Application>(
    application: &A,
    options: &Arc<SocketOptions>,
    origins: &OriginRules,
    mut request: Request,
) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if request.method() != Method::GET {
        return StatusCode::BAD_REQUEST.into_response();
    }
    if !origin_is_allowed(origins, &peer, &request) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Ok(Query(params)) = Query::<Vec<(String, String)>>::try_from_uri(request.uri()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let connect = Connect {
        params,
        connection: peer.info,
    };
    let Some(version) = Version::from_vsn(connect.param("vsn")) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    if application.connect(&connect).is_err() {
        return StatusCode::FORBIDDEN.into_response();
    }
    let key = match websocket_key(request.headers()) {
        Ok(key) => key,
        Err(reason) => return (StatusCode::BAD_REQUEST, reason).into_response(),
    };

    let accept = derive_accept_key(key.as_bytes());
    let upgraded = hyper::upgrade::on(&mut request);
    let (application, options) = (application.clone(), Arc::clone(options));
    let (stop, counters) = (peer.stop.clone(), Arc::clone(&peer.counters));
    peer.upgrade_to(Box::pin(async move {
        match upgraded.await {
            Ok(stream) => {
                let setup = task::Setup {
                    application,
                    options,
                    version,
                    info: peer.info,
                    counters,
                    stop,
                };
                task::run(setup, TokioIo::new(stream)).await;
            }
            Err(error) => tracing::debug!(%error, "an upgrade failed"),
        }
    }));
    switching(&accept)
}

fn origin_is_allowed(origins: &OriginRules, peer: &Peer, request: &Request) -> bool {
    let Some(host) = host_of(request.uri(), request.headers()) else {
        return false;
    };
    let mut given = request.headers().get_all(header::ORIGIN).iter();
    let origin = match given.next().map(HeaderValue::to_str) {
        None => None,
        Some(Ok(origin)) => Some(origin),
        Some(Err(_)) => return false,
    };
    given.next().is_none() && origins.allows(origin, host, &peer.info)
}

/// Checks the headers of RFC 6455 section 4.2.1; the error is what Phoenix answers.
fn websocket_key(headers: &HeaderMap) -> Result<&HeaderValue, String> {
    must_contain(headers, header::CONNECTION, "upgrade")?;
    must_contain(headers, header::UPGRADE, "websocket")?;
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| "'sec-websocket-key' header is absent".to_owned())?;
    let versions = values(headers, header::SEC_WEBSOCKET_VERSION);
    if versions != ["13"] {
        return Err(format!(
            "'sec-websocket-version' header must equal '13', got {versions:?}"
        ));
    }
    Ok(key)
}

fn must_contain(headers: &HeaderMap, name: HeaderName, token: &str) -> Result<(), String> {
    let values = values(headers, name.clone());
    let mut tokens = values.iter().flat_map(|value| value.split(','));
    if tokens.any(|given| given.trim().eq_ignore_ascii_case(token)) {
        return Ok(());
    }
    Err(format!(
        "'{name}' header must contain '{token}', got {values:?}"
    ))
}

fn values(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.get_all(name).iter().map(text).collect()
}

fn switching(accept: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let never = HeaderValue::from_static("max-age=0, private, must-revalidate");
    headers.insert(header::CACHE_CONTROL, never);
    let accept = HeaderValue::from_str(accept).expect("base64 fits a header");
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}
