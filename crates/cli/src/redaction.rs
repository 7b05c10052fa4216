//! What never comes into a log: what people and rooms are called, where they are, what opens doors.
//!
//! Two nets, because libraries write into the same log: fields whose name says that they hold such
//! a thing, and words anywhere that look like an address or a link.

/// Fields that are not written: what people are called, where they are, and what opens doors.
const PRIVATE_FIELDS: &[&str] = &[
    "name",
    "names",
    "room",
    "topic",
    "host",
    "target",
    "address",
    "addr",
    "peer",
    "peer_addr",
    "link",
    "links",
    "url",
    "uri",
    "token",
    "pin",
    "key",
    "secret",
    "password",
    "path",
    "file",
    "device",
];

/// What stands in the log instead.
pub const BLOT: &str = "[private]";

/// Tells whether a field of this name is not written.
pub fn is_private_field(name: &str) -> bool {
    PRIVATE_FIELDS.contains(&name)
}

/// Blots out every word that is an address or a link.
pub fn blotted(line: &str) -> String {
    let ends_word = |c: char| c.is_whitespace() || "\"'`<>(){},;=|".contains(c);
    let mut clean = String::with_capacity(line.len());
    for part in line.split_inclusive(ends_word) {
        let word = part.trim_end_matches(ends_word);
        let after = &part[word.len()..];
        clean.push_str(if is_private(word) { BLOT } else { word });
        clean.push_str(after);
    }
    clean
}

fn is_private(word: &str) -> bool {
    word.contains("://") || word.starts_with("k=") || holds_ipv4(word) || holds_ipv6(word)
}

/// Whether four small numbers with dots between them stand anywhere in `word`.
fn holds_ipv4(word: &str) -> bool {
    word.split(|c: char| !c.is_ascii_digit() && c != '.')
        .any(|numbers| numbers.parse::<std::net::Ipv4Addr>().is_ok())
}

/// Whether `word` is an IPv6 address, perhaps in brackets, with a zone or a port. Only whole
/// words count: the `::b` in the middle of a module's path is one too.
fn holds_ipv6(word: &str) -> bool {
    let address = match word.split_once('[') {
        Some((_, rest)) => rest.split(']').next().unwrap_or(rest),
        None => word.trim_end_matches(['.', ':']),
    };
    let address = address.split('%').next().unwrap_or(address);
    address.parse::<std::net::Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_links_are_blotted_out() {
        for private in [
            "reached 192.168.1.20:7684 at last",
            "candidate=udp:10.0.0.7:4000",
            "from [fe80::1%eth0]:7684",
            "at 2001:db8::7 and",
            "open snug://kitchen-pc/room#k=AbC",
            "(\"https://a.example/room/x\")",
        ] {
            let clean = blotted(private);
            assert!(clean.contains(BLOT), "{private} became {clean}");
            for secret in ["192", "10.0", "fe80", "db8", "kitchen", "example"] {
                assert!(!clean.contains(secret), "{private} became {clean}");
            }
        }
    }

    #[test]
    fn everything_else_stays_readable() {
        for plain in [
            "2026-11-23T06:13:00.000123Z  INFO snug_app::bridge: joined in 12.5 ms\n",
            "version 0.1.0, 3 of 4 frames::dropped: :: done",
            "two  spaces, and an end",
        ] {
            assert_eq!(blotted(plain), plain);
        }
    }
}
