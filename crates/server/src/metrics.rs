//! `/metrics`: what the server counts, as text that Prometheus reads (exposition format 0.0.4).
//!
//! Sums over the whole server, as on the topic `stats`: no name, no room and no person comes into
//! them. Names follow the rules there: a unit or `_total` at the end, one prefix.

use std::fmt::Write as _;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::header::CONTENT_TYPE;

use crate::{Counters, transport};

/// The type of the text, which tells readers the format's version.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One number, as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Metric {
    name: &'static str,
    help: &'static str,
    is_total: bool,
    value: u64,
}

/// Answers `/metrics`; `rooms` says how many have somebody in them.
pub(crate) fn metrics_route<F>(
    rooms: impl Fn() -> F + Clone + Send + Sync + 'static,
    doors: std::sync::Arc<Counters>,
    media: std::sync::Arc<transport::Counters>,
) -> Router
where
    F: Future<Output = usize> + Send,
{
    let answer = async move || {
        let rooms = Metric {
            name: "rooms",
            help: "Rooms that have somebody in them.",
            is_total: false,
            value: u64::try_from(rooms().await).unwrap_or(u64::MAX),
        };
        let counted = of_doors(&doors).into_iter().chain(of_media(&media));
        let text = write(std::iter::once(rooms).chain(counted));
        ([(CONTENT_TYPE, TEXT)], text).into_response()
    };
    Router::new().route("/metrics", get(answer))
}

fn write(metrics: impl Iterator<Item = Metric>) -> String {
    let mut text = String::new();
    for metric in metrics {
        let (suffix, kind) = match metric.is_total {
            true => ("_total", "counter"),
            false => ("", "gauge"),
        };
        let Metric {
            name, help, value, ..
        } = metric;
        let written = write!(
            text,
            "# HELP snug_{name}{suffix} {help}\n# TYPE snug_{name}{suffix} {kind}\n\
             snug_{name}{suffix} {value}\n"
        );
        written.expect("a string takes all that is written");
    }
    text
}

const fn total(name: &'static str, help: &'static str, value: u64) -> Metric {
    Metric {
        name,
        help,
        is_total: true,
        value,
    }
}

fn of_doors(doors: &Counters) -> [Metric; 6] {
    let count = |counter: &crate::Counter| counter.count();
    [
        total(
            "connections_evicted",
            "Connections that made room before their first request.",
            count(&doors.evicted),
        ),
        total(
            "connections_refused",
            "Connections closed because too many were open.",
            count(&doors.refused),
        ),
        total(
            "connections_not_accepted",
            "Connections that the system could not hand over.",
            count(&doors.not_accepted),
        ),
        total(
            "joins",
            "Joins of rooms that got a seat.",
            count(&doors.joins),
        ),
        total(
            "sockets_slow",
            "Sockets closed because their reader was too slow.",
            count(&doors.slow_consumers),
        ),
        total(
            "turn_connections_slow",
            "Connections to the TURN server closed because their reader was too slow.",
            count(&doors.slow_relays),
        ),
    ]
}

/// A number of the media plane: its name, what it says, and where it is.
type Counted = (
    &'static str,
    &'static str,
    fn(&transport::Counters) -> &transport::Counter,
);

const MEDIA: &[Counted] = &[
    ("datagrams_received", "Datagrams read.", |it| {
        &it.datagrams_received
    }),
    ("datagrams_sent", "Datagrams handed to the system.", |it| {
        &it.datagrams_sent
    }),
    ("send_calls", "System calls made to send them.", |it| {
        &it.send_calls
    }),
    (
        "send_would_block",
        "Datagrams dropped: the socket's buffer was full.",
        |it| &it.send_would_block,
    ),
    (
        "send_failed",
        "Datagrams that the system refused to send.",
        |it| &it.send_failed,
    ),
    ("checks_answered", "ICE checks answered.", |it| {
        &it.stun_answered
    }),
    (
        "checks_refused",
        "ICE checks with credentials that are not valid.",
        |it| &it.stun_refused,
    ),
    ("turn_answered", "TURN requests answered.", |it| {
        &it.turn_answered
    }),
    (
        "turn_refused",
        "TURN messages that are not allowed.",
        |it| &it.turn_refused,
    ),
    (
        "address_unknown",
        "Datagrams from an address that no peer was checked on.",
        |it| &it.unknown_address,
    ),
    (
        "dtls_failed",
        "DTLS datagrams that ended in an error.",
        |it| &it.dtls_failed,
    ),
    ("srtp_malformed", "SRTP packets that are malformed.", |it| {
        &it.srtp_malformed
    }),
    (
        "srtp_replayed",
        "SRTP packets received before, or too old.",
        |it| &it.srtp_replayed,
    ),
    ("srtp_forged", "SRTP packets whose tag is wrong.", |it| {
        &it.srtp_forged
    }),
    (
        "packets_received",
        "Media packets that belong to a track.",
        |it| &it.media_received,
    ),
    (
        "packets_forwarded",
        "Media packets written for subscribers.",
        |it| &it.media_forwarded,
    ),
    (
        "packets_unusable",
        "Media packets that belong to no track, or cannot be read.",
        |it| &it.media_unusable,
    ),
    (
        "packets_not_wanted",
        "Media packets that a subscriber was not to get.",
        |it| &it.media_not_wanted,
    ),
    (
        "packets_unreachable",
        "Packets for a peer that cannot be sent to.",
        |it| &it.unreachable,
    ),
    (
        "packets_unsealed",
        "Packets that could not be sealed.",
        |it| &it.seal_failed,
    ),
    (
        "keyframe_requests",
        "Keyframe requests sent to publishers.",
        |it| &it.keyframe_requests,
    ),
    (
        "packets_asked_again",
        "Missing packets that publishers were asked for.",
        |it| &it.missing_asked,
    ),
    (
        "packets_restored",
        "Missing packets that publishers sent again in time.",
        |it| &it.restored,
    ),
    (
        "packets_repaired",
        "Packets sent to subscribers again.",
        |it| &it.repaired,
    ),
    (
        "events_dropped",
        "Reports that a peer's room did not read.",
        |it| &it.events_dropped,
    ),
    (
        "peers_orphaned",
        "Peers forgotten because their room ended without removing them.",
        |it| &it.peers_orphaned,
    ),
];

fn of_media(media: &transport::Counters) -> impl Iterator<Item = Metric> {
    let of = |(name, help, look): &Counted| total(name, help, look(media).get());
    MEDIA.iter().map(of)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_has_a_name_of_its_own_a_type_and_a_line() {
        let doors = Counters::default();
        let media = transport::Counters::default();
        let all: Vec<Metric> = of_doors(&doors)
            .into_iter()
            .chain(of_media(&media))
            .collect();
        let names: HashSet<&str> = all.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), all.len());
        let text = write(all.iter().copied());
        assert_eq!(text.lines().count(), 3 * all.len());
        let numbers = text.lines().filter(|line| !line.starts_with('#'));
        for line in numbers {
            let (name, value) = line.split_once(' ').unwrap();
            let is_legal = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(
                name.starts_with("snug_") && name.chars().all(is_legal),
                "{line}"
            );
            assert_eq!(value, "0", "{line}");
            assert!(text.contains(&format!("# TYPE {name} counter\n")));
        }
    }
}
