//! What an answer lacks that the library cannot do without.

/// Gives each section's track a name where its `a=msid` has only that of the stream. RFC 8830
/// section 2 allows that, and servers of the Membrane family do it; the library then knows no
/// track, and drops its packets.
pub(crate) fn with_track_names(sdp: &str) -> String {
    let mut text = String::with_capacity(sdp.len() + 64);
    for (number, section) in sdp
        .split_inclusive('\n')
        .fold(Vec::new(), split)
        .iter()
        .enumerate()
    {
        for line in section {
            let bare = line.trim_end();
            let stream = bare.strip_prefix("a=msid:").map(str::trim);
            let is_whole = |stream: &&str| !stream.is_empty() && !stream.contains(' ');
            match stream.filter(is_whole) {
                // Sections keep their order for ever (RFC 8829 section 5.2.2), so this name stays.
                Some(stream) => text.push_str(&format!("a=msid:{stream} section-{number}\r\n")),
                None => text.push_str(line),
            }
        }
    }
    text
}

/// Collects lines into the part before the first section, and one for each section.
fn split<'a>(mut parts: Vec<Vec<&'a str>>, line: &'a str) -> Vec<Vec<&'a str>> {
    match parts.last_mut() {
        Some(part) if !line.starts_with("m=") => part.push(line),
        _ => parts.push(vec![line]),
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_without_a_name_gets_one_of_its_section() {
        let sdp = "v=0\r\nm=audio\r\na=msid:a\r\nm=video\r\na=msid:a v\r\nm=video\r\na=msid:b\r\n";
        let wanted = "v=0\r\nm=audio\r\na=msid:a section-1\r\nm=video\r\na=msid:a v\r\n\
                      m=video\r\na=msid:b section-3\r\n";
        assert_eq!(with_track_names(sdp), wanted);
        assert_eq!(with_track_names(wanted), wanted);
        for junk in ["", "\n", "a=msid:", "m=", "a=msid:x"] {
            with_track_names(junk);
        }
    }
}
