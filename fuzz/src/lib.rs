//! What each fuzz target does with its input: here once, for the fuzzer (`fuzz_targets`) and for the
//! test that says seeds and kept crashes again (`crates/testkit/tests/fuzz_seeds.rs`).

pub mod answer;
pub mod dtls;
pub mod jitter;
pub mod link;
pub mod media_event;
pub mod phoenix_client;
pub mod phoenix_socket;
pub mod room;
pub mod router;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod stun;
pub mod turn;
pub mod twcc;
pub mod vp8;

/// A target: its name, which is that of its seeds' folder too, and what says an input to it.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("answer", answer::run),
    ("dtls", dtls::run),
    ("jitter", jitter::run),
    ("link", link::run),
    ("media_event", media_event::run),
    ("phoenix_client", phoenix_client::run),
    ("phoenix_socket", phoenix_socket::run),
    ("room", room::run),
    ("router", router::run),
    ("rtcp", rtcp::run),
    ("rtp", rtp::run),
    ("sdp", sdp::run),
    ("session", session::run),
    ("stun", stun::run),
    ("turn", turn::run),
    ("twcc", twcc::run),
    ("vp8", vp8::run),
];

/// Reads an input as text, as far as it is any.
fn text(data: &[u8]) -> &str {
    match std::str::from_utf8(data) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&data[..error.valid_up_to()]).expect("so far it is text"),
    }
}

/// Cuts an input into pieces at a byte that no UTF-8 text holds.
fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == 0xFF)
}
