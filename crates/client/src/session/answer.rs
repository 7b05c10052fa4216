//! What has to be known of an answer besides the library's own reading of it.

use crate::Kind;

/// One media section of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    /// Its name.
    pub(crate) mid: &'a str,
    /// Sound or picture.
    pub(crate) kind: Kind,
    /// Whether media flows in it, in one direction or the other.
    pub(crate) accepted: bool,
    /// Whether several encodings are received in it (RFC 8853 section 5.1).
    pub(crate) simulcast: bool,
}

/// Lists the audio and video sections of a session description that have a name (RFC 8866
/// section 5, RFC 5888). Whatever else stands there is skipped.
pub(crate) fn sections(sdp: &str) -> Vec<Section<'_>> {
    let mut found = Vec::new();
    let mut current: Option<Draft<'_>> = None;
    for line in sdp.lines().map(str::trim_end) {
        if let Some(media) = line.strip_prefix("m=") {
            found.extend(current.take().and_then(Draft::finish));
            current = Some(Draft::new(media));
        } else if let Some(draft) = &mut current {
            match line {
                "a=inactive" => draft.inactive = true,
                _ if line.starts_with("a=simulcast:recv ") => draft.simulcast = true,
                _ => draft.mid = line.strip_prefix("a=mid:").or(draft.mid),
            }
        }
    }
    found.extend(current.and_then(Draft::finish));
    found
}

struct Draft<'a> {
    kind: Option<Kind>,
    rejected: bool,
    inactive: bool,
    simulcast: bool,
    mid: Option<&'a str>,
}

impl<'a> Draft<'a> {
    fn new(media: &'a str) -> Self {
        let mut words = media.split(' ');
        let kind = match words.next() {
            Some("audio") => Some(Kind::Audio),
            Some("video") => Some(Kind::Video),
            _ => None,
        };
        // Port zero rejects a section (RFC 3264 section 6).
        Self {
            kind,
            rejected: words.next() == Some("0"),
            inactive: false,
            simulcast: false,
            mid: None,
        }
    }

    fn finish(self) -> Option<Section<'a>> {
        let accepted = !self.rejected && !self.inactive;
        Some(Section {
            mid: self.mid?,
            kind: self.kind?,
            accepted,
            simulcast: self.simulcast,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_with_their_state() {
        let sdp = "v=0\r\na=mid:session\r\nm=audio 9 X 111\r\na=mid:0\r\na=recvonly\r\n\
                   m=video 9 X 96\r\na=inactive\r\na=mid:1\r\na=simulcast:recv l;m;h\r\nm=video 0 X 96\r\na=mid:2\r\n\
                   m=application 9 X\r\na=mid:3\r\nm=video 9 X 96\r\n";
        let section = |mid, kind, accepted| Section {
            mid,
            kind,
            accepted,
            simulcast: mid == "1",
        };
        let wanted = vec![
            section("0", Kind::Audio, true),
            section("1", Kind::Video, false),
            section("2", Kind::Video, false),
        ];
        assert_eq!(sections(sdp), wanted);
    }

    #[test]
    fn junk_has_no_sections() {
        for sdp in ["", "m=", "m=audio", "a=mid:0\n", "\r\r\n\n m=audio 9\n"] {
            assert_eq!(sections(sdp), vec![], "{sdp:?}");
        }
    }
}
