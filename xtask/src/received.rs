//! What a participant received, read from the JSON lines of `snug-server join --stats`.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

/// What one participant received, as its last statistics say.
pub struct Received {
    /// Its own name.
    pub name: &'static str,
    /// Where it recorded.
    pub recorded: Option<PathBuf>,
    elapsed_s: f64,
    tracks: Vec<Track>,
}

/// One track of another participant.
struct Track {
    from: String,
    kind: String,
    packets: u64,
    lost: u64,
    bytes: u64,
    frames: u64,
    concealed: u64,
    size: (u64, u64),
    /// From joining to its first frame.
    first_frame_ms: Option<u64>,
}

impl Received {
    /// Reads everything that a participant printed.
    pub fn read(name: &'static str, recorded: Option<PathBuf>, lines: &str) -> Result<Received> {
        let lines: Vec<Value> = lines
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{name} printed a line that is no JSON"))?;
        let of_type = |kind: &'static str| lines.iter().filter(move |line| line["type"] == kind);
        let joined_ms = of_type("joined")
            .next()
            .and_then(|line| line["at_ms"].as_u64());
        let first_frame_ms = |track_id: &Value| {
            let line = of_type("first_frame").find(|line| &line["track_id"] == track_id)?;
            line["at_ms"].as_u64()?.checked_sub(joined_ms?)
        };
        // Others may leave first; the fullest statistics are those with the most tracks, the
        // newest of them.
        let count = |line: &Value| each_track(line).count();
        let last = of_type("stats")
            .max_by_key(|line| count(line))
            .with_context(|| format!("{name} printed no statistics"))?;
        Ok(Received {
            name,
            recorded,
            elapsed_s: last["elapsed_s"].as_f64().unwrap_or_default(),
            tracks: each_track(last)
                .map(|(peer, track)| Track::read(peer, track, first_frame_ms(&track["track_id"])))
                .collect(),
        })
    }

    /// Says whether frames of a kind (`audio`, `video`) arrived.
    pub fn has(&self, kind: &str) -> bool {
        self.tracks
            .iter()
            .any(|track| track.kind == kind && track.packets > 0)
    }
}

fn each_track(stats: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    stats["peers"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|peer| {
            peer["tracks"]
                .as_array()
                .into_iter()
                .flatten()
                .map(move |track| (peer, track))
        })
}

impl Track {
    fn read(peer: &Value, track: &Value, first_frame_ms: Option<u64>) -> Track {
        let number = |key: &str| track[key].as_u64().unwrap_or_default();
        Track {
            from: peer["name"].as_str().unwrap_or("someone").to_owned(),
            kind: track["kind"].as_str().unwrap_or("unknown").to_owned(),
            packets: number("packets_received"),
            lost: number("packets_lost"),
            bytes: number("bytes_received"),
            frames: number("frames_received"),
            concealed: number("samples_concealed"),
            size: (number("width"), number("height")),
            first_frame_ms,
        }
    }

    fn kilobits_per_second(&self, elapsed_s: f64) -> f64 {
        if elapsed_s > 0.0 {
            self.bytes as f64 * 8.0 / 1000.0 / elapsed_s
        } else {
            0.0
        }
    }
}

impl fmt::Display for Received {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} received in {:.1} s:", self.name, self.elapsed_s)?;
        for track in &self.tracks {
            let rate = track.kilobits_per_second(self.elapsed_s);
            write!(out, "  {} of {:<9} ", track.kind, track.from)?;
            match track.kind.as_str() {
                "video" => {
                    write!(
                        out,
                        "{}x{}, {} frames",
                        track.size.0, track.size.1, track.frames
                    )?;
                }
                _ => write!(out, "{} samples concealed", track.concealed)?,
            }
            write!(
                out,
                ", {rate:.0} kbit/s, {} of {} packets lost",
                track.lost,
                track.packets + track.lost
            )?;
            if let Some(time) = track.first_frame_ms {
                write!(out, ", first after {time} ms")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"type":"joined","at_ms":1000,"peer_id":"b"}
{"type":"first_frame","at_ms":1250,"peer_id":"a","track_id":"t1","kind":"video"}
{"type":"stats","at_ms":2000,"elapsed_s":1.0,"peer_id":"b","peers":[{"peer_id":"a","name":"Ada","state":"live","tracks":[{"track_id":"t1","kind":"video","packets_received":90,"packets_lost":10,"bytes_received":125000,"frames_received":25,"frames_decoded":25,"keyframes":1,"samples_concealed":0,"width":640,"height":360}]}],"published":[]}
{"type":"stats","at_ms":3000,"elapsed_s":2.0,"peer_id":"b","peers":[],"published":[]}
"#;

    #[test]
    fn the_fullest_statistics_are_told() {
        let received = Received::read("Grace", None, LINES).unwrap();
        assert!(received.has("video") && !received.has("audio"));
        let text = received.to_string();
        assert!(text.contains("video of Ada"), "{text}");
        assert!(
            text.contains("640x360, 25 frames, 1000 kbit/s, 10 of 100 packets lost"),
            "{text}"
        );
        assert!(text.contains("first after 250 ms"), "{text}");
    }

    #[test]
    fn a_line_that_is_no_json_is_an_error() {
        assert!(Received::read("Grace", None, "thread panicked").is_err());
        assert!(Received::read("Grace", None, "").is_err());
    }
}
