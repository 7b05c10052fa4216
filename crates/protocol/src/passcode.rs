//! Proving that one knows a room's passcode, without saying it to anybody who does not.
//!
//! SPAKE2 (RFC 9382 tells the idea; the group and its constants are those of the crate `spake2`)
//! gives both sides a key that is the same only if both used one passcode *and* one [`Binding`].
//! Then each side proves that it has it, the client first. Rules, each with its why:
//! - The binding holds the key that the client saw, what TLS derived on this very connection and
//!   the room: whoever sits between two connections has two of them, and fails.
//! - The client proves first: a server that does not know the passcode learns one try's worth.
//! - A side that saw no proof has learned nothing, and says nothing of itself.
//! - Each exchange is good for one proof: a try is a connection's work, not a message's.

use ring::hmac;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use unicode_normalization::UnicodeNormalization as _;

use crate::{Error, Pin, RoomName};

/// The label under which TLS derives the connection's part of a binding (RFC 8446 section 7.5).
pub const PASSCODE_EXPORTER: &[u8] = b"EXPORTER-snug-passcode";

/// The longest passcode in characters.
const PASSCODE_CHARS_MAX: usize = 64;

/// Names the two sides, so that nobody can answer with what was said to them.
const CLIENT: &[u8] = b"snug passcode client";
const SERVER: &[u8] = b"snug passcode server";

/// What a host lets people in by. It shows itself to nobody: there is no `Debug` and no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Passcode(String);

impl Passcode {
    /// Takes what a person typed, in the normal form NFC: capitals, spaces and signs count.
    ///
    /// # Errors
    /// [`Error::Passcode`] for none, for more than 64 characters and for control characters.
    pub fn parse(typed: &str) -> Result<Self, Error> {
        // A hostile text is not normalised before its length is known.
        if typed.chars().take(2 * PASSCODE_CHARS_MAX + 1).count() > 2 * PASSCODE_CHARS_MAX {
            return Err(Error::Passcode);
        }
        let passcode: String = typed.nfc().collect();
        let count = passcode.chars().count();
        let is_fit = (1..=PASSCODE_CHARS_MAX).contains(&count);
        if !is_fit || passcode.chars().any(char::is_control) {
            return Err(Error::Passcode);
        }
        Ok(Self(passcode))
    }

    /// Compares with what a browser guest typed, in a time that tells nothing of where they differ:
    /// `salt` is random, and nobody knows which tag is compared.
    pub fn is(&self, typed: &Self, salt: [u8; 32]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salt);
        let tag = hmac::sign(&key, typed.0.as_bytes());
        hmac::verify(&key, self.0.as_bytes(), tag.as_ref()).is_ok()
    }

    fn password(&self) -> Password {
        Password::new(self.0.as_bytes())
    }
}

/// What an exchange is good for: this host, this room, this connection.
#[derive(Clone)]
pub struct Binding(Vec<u8>);

impl Binding {
    /// Binds to the key that the host showed, the room, and 32 bytes that TLS exports for
    /// [`PASSCODE_EXPORTER`] without a context.
    pub fn new(pin: Pin, room: &RoomName, exported: &[u8; 32]) -> Self {
        // Two parts of fixed length and then the rest: no two bindings share their bytes.
        Self([pin.as_bytes(), &exported[..], room.as_str().as_bytes()].concat())
    }

    fn server(&self) -> Identity {
        Identity::new(&[SERVER, &self.0].concat())
    }

    /// What `side` proves with: it has the key, and means this binding.
    fn proof(&self, key: &[u8], side: &[u8]) -> PasscodeProof {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let said = [side, &self.0].concat();
        PasscodeProof { key, said }
    }
}

/// A client that asked, and waits for the server's half.
pub struct PasscodeQuestion {
    state: Spake2<Ed25519Group>,
    binding: Binding,
}

impl PasscodeQuestion {
    /// Begins an exchange. The bytes go to the server.
    pub fn ask(passcode: &Passcode, binding: Binding) -> (Self, Vec<u8>) {
        let client = Identity::new(CLIENT);
        let (state, half) =
            Spake2::<Ed25519Group>::start_a(&passcode.password(), &client, &binding.server());
        (Self { state, binding }, half)
    }

    /// Takes the server's half. The bytes are the proof for it; its own is judged by the rest.
    ///
    /// # Errors
    /// [`Error::Passcode`] when the half is none.
    pub fn prove(self, half: &[u8]) -> Result<(PasscodeProof, [u8; 32]), Error> {
        let key = self.state.finish(half).map_err(|_| Error::Passcode)?;
        let expected = self.binding.proof(&key, SERVER);
        Ok((expected, self.binding.proof(&key, CLIENT).tag()))
    }
}

/// The only proof that a side takes.
pub struct PasscodeProof {
    key: hmac::Key,
    said: Vec<u8>,
}

impl PasscodeProof {
    /// Judges what the other side sent, in constant time. It is taken once.
    pub fn is(self, proof: &[u8]) -> bool {
        hmac::verify(&self.key, &self.said, proof).is_ok()
    }

    fn tag(self) -> [u8; 32] {
        let tag = hmac::sign(&self.key, &self.said);
        tag.as_ref().try_into().expect("HMAC-SHA256 is 32 bytes")
    }
}

/// A server that answered, and waits for the client's proof.
pub struct PasscodeAnswer {
    expected: PasscodeProof,
    ours: [u8; 32],
}

impl PasscodeAnswer {
    /// Answers a client's half. The bytes go back to it.
    ///
    /// # Errors
    /// [`Error::Passcode`] when the half is none.
    pub fn to(
        passcode: &Passcode,
        binding: &Binding,
        half: &[u8],
    ) -> Result<(Self, Vec<u8>), Error> {
        let client = Identity::new(CLIENT);
        let (state, answer) =
            Spake2::<Ed25519Group>::start_b(&passcode.password(), &client, &binding.server());
        let key = state.finish(half).map_err(|_| Error::Passcode)?;
        let expected = binding.proof(&key, CLIENT);
        let ours = binding.proof(&key, SERVER).tag();
        Ok((Self { expected, ours }, answer))
    }

    /// Judges the client's proof, once; our own comes back only for the right one.
    pub fn judge(self, proof: &[u8]) -> Option<[u8; 32]> {
        self.expected.is(proof).then_some(self.ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Passcode {
        Passcode::parse(text).unwrap()
    }

    fn binding(pin: u8, room: &str, exported: u8) -> Binding {
        let room = RoomName::parse(room).unwrap();
        Binding::new(Pin::new([pin; 32]), &room, &[exported; 32])
    }

    /// Whether the server lets the client in, and whether the client then believes the server.
    fn meet(client: (&str, Binding), server: (&str, Binding)) -> (bool, bool) {
        let (question, half) = PasscodeQuestion::ask(&code(client.0), client.1);
        let (answer, half) = PasscodeAnswer::to(&code(server.0), &server.1, &half).unwrap();
        let (expected, proof) = question.prove(&half).unwrap();
        let Some(theirs) = answer.judge(&proof) else {
            return (false, expected.is(&[0; 32]));
        };
        (true, expected.is(&theirs))
    }

    #[test]
    fn one_passcode_on_one_connection_lets_in_and_proves_the_host() {
        let met = meet(
            ("Kettle 7", binding(1, "a", 2)),
            ("Kettle 7", binding(1, "a", 2)),
        );
        assert_eq!(met, (true, true));
        // However the same letters were typed.
        let met = meet(
            ("cafe\u{301}", binding(1, "a", 2)),
            ("caf\u{e9}", binding(1, "a", 2)),
        );
        assert_eq!(met, (true, true));
    }

    #[test]
    fn another_passcode_or_binding_lets_nobody_in_and_proves_nothing() {
        let here = || ("Kettle 7", binding(1, "a", 2));
        for there in [
            ("kettle 7", binding(1, "a", 2)),
            ("Kettle 7 ", binding(1, "a", 2)),
            // A host of the same name with another key, a relay between two connections,
            // another room of the same host.
            ("Kettle 7", binding(9, "a", 2)),
            ("Kettle 7", binding(1, "a", 9)),
            ("Kettle 7", binding(1, "b", 2)),
        ] {
            assert_eq!(meet(here(), there), (false, false));
        }
    }

    #[test]
    fn what_was_said_to_a_side_is_no_answer_from_it() {
        let (passcode, bound) = (code("x"), binding(1, "a", 2));
        let (question, half) = PasscodeQuestion::ask(&passcode, bound.clone());
        assert!(question.prove(&half).is_err(), "its own half");
        let (question, half) = PasscodeQuestion::ask(&passcode, bound.clone());
        let (answer, half) = PasscodeAnswer::to(&passcode, &bound, &half).unwrap();
        let (expected, proof) = question.prove(&half).unwrap();
        assert!(!expected.is(&proof), "its own proof");
        assert!(answer.judge(&[]).is_none());
    }

    #[test]
    fn junk_is_refused_and_never_panics() {
        let (passcode, bound) = (code("x"), binding(1, "a", 2));
        for half in [
            &[][..],
            &[0; 32],
            &[0; 33],
            &[0x41; 33],
            &[0xff; 33],
            &[0x41; 4000],
        ] {
            if let Ok((answer, _)) = PasscodeAnswer::to(&passcode, &bound, half) {
                assert!(answer.judge(&[0; 32]).is_none());
            }
            let (question, _) = PasscodeQuestion::ask(&passcode, bound.clone());
            drop(question.prove(half));
        }
    }

    #[test]
    fn passcodes_are_short_visible_texts() {
        let long = "x".repeat(64);
        let is = |one: &str, other: &str| code(one).is(&code(other), [7; 32]);
        for fit in ["1", "a b", "ключ", &long] {
            assert!(is(fit, fit));
        }
        assert!(!is("a", "A") && !is("a", "a ") && !is("a", "b"));
        for unfit in [
            "",
            "a\nb",
            &"x".repeat(65),
            &"e\u{301}".repeat(65),
            &"x".repeat(1 << 20),
        ] {
            assert!(Passcode::parse(unfit).is_err(), "{}", unfit.len());
        }
    }
}
