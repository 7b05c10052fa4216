//! Who may connect to the tile socket.

use std::sync::Mutex;

use ring::hmac;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode, header};
use tokio_util::sync::CancellationToken;

use super::lock;

/// Bytes of a token: 128 bits cannot be guessed in the lifetime of a window.
const TOKEN_LEN: usize = 16;

/// Keeps the door.
pub(super) struct Gate {
    host: String,
    origin: &'static str,
    /// Tokens are compared by their authentication codes under a key of this launch: `ring`
    /// compares those in constant time, and the token itself is not kept.
    key: hmac::Key,
    pass: Mutex<Pass>,
}

/// The latest token.
#[derive(Default)]
struct Pass {
    /// The code of the token; nothing once it was used.
    tag: Option<hmac::Tag>,
    /// Ends the connection that came in with it.
    over: CancellationToken,
}

impl Gate {
    /// Guards `port` for pages of `origin`.
    pub(super) fn new(port: u16, origin: &'static str) -> Self {
        let key: [u8; 32] = rand::random();
        Self {
            host: format!("127.0.0.1:{port}"),
            origin,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            pass: Mutex::default(),
        }
    }

    /// Makes a new token, good for one connection, and ends what came in with an older one.
    pub(super) fn mint(&self) -> String {
        let secret: [u8; TOKEN_LEN] = rand::random();
        let token: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let fresh = Pass {
            tag: Some(hmac::sign(&self.key, token.as_bytes())),
            over: CancellationToken::new(),
        };
        let old = std::mem::replace(&mut *lock(&self.pass), fresh);
        old.over.cancel();
        token
    }

    /// Takes a token: the right one is used up. The answer ends when a newer one is made.
    pub(super) fn redeem(&self, token: &str) -> Option<CancellationToken> {
        let mut pass = lock(&self.pass);
        let tag = pass.tag.as_ref()?;
        hmac::verify(&self.key, token.as_bytes(), tag.as_ref()).ok()?;
        pass.tag = None;
        Some(pass.over.clone())
    }

    /// Judges a request to open a socket by its address and headers.
    #[expect(
        clippy::result_large_err,
        reason = "the WebSocket library asks for its own error type"
    )]
    pub(super) fn admit(
        &self,
        request: &Request,
        response: Response,
    ) -> Result<Response, ErrorResponse> {
        let is_ours = request.uri().path() == "/"
            && request.uri().query().is_none()
            && is_only(request.headers(), header::HOST, &self.host)
            && is_only(request.headers(), header::ORIGIN, self.origin);
        if is_ours {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        Err(refusal)
    }
}

/// Whether a header is there once, and says exactly this.
fn is_only(headers: &HeaderMap, name: header::HeaderName, value: &str) -> bool {
    let mut all = headers.get_all(name).iter();
    all.next()
        .is_some_and(|it| it.as_bytes() == value.as_bytes())
        && all.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_connection() {
        let gate = Gate::new(1, "o");
        assert!(gate.redeem("").is_none(), "none was made yet");
        let token = gate.mint();
        assert_eq!(token.len(), 2 * TOKEN_LEN);
        assert!(gate.redeem(&token[1..]).is_none());
        assert!(gate.redeem(&token.to_uppercase()).is_none() || token == token.to_uppercase());
        assert!(gate.redeem(&token).is_some());
        assert!(gate.redeem(&token).is_none());
    }

    #[test]
    fn a_new_token_voids_the_old_one_and_ends_its_connection() {
        let gate = Gate::new(1, "o");
        let first = gate.mint();
        let second = gate.mint();
        assert!(gate.redeem(&first).is_none());
        let over = gate.redeem(&second).unwrap();
        assert!(!over.is_cancelled());
        gate.mint();
        assert!(over.is_cancelled());
    }
}
