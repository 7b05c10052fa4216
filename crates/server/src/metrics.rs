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

fn of_doors(doors: &Counters) -> [Metric; 5] {
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

fn of_media(media: &transport::Counters) -> Vec<Metric> {
    let of = |name, help, counter: &transport::Counter| total(name, help, counter.get());
    vec![
        of(
            "datagrams_received",
            "Datagrams read.",
            &media.datagrams_received,
        ),
        of(
            "datagrams_sent",
            "Datagrams handed to the system.",
            &media.datagrams_sent,
        ),
        of(
            "send_calls",
            "System calls made to send them.",
            &media.send_calls,
        ),
        of(
            "send_would_block",
            "Datagrams dropped: the socket's buffer was full.",
            &media.send_would_block,
        ),
        of(
            "send_failed",
            "Datagrams that the system refused to send.",
            &media.send_failed,
        ),
        of(
            "checks_answered",
            "ICE checks answered.",
            &media.stun_answered,
        ),
        of(
            "checks_refused",
            "ICE checks with credentials that are not valid.",
            &media.stun_refused,
        ),
        of(
            "turn_answered",
            "TURN requests answered.",
            &media.turn_answered,
        ),
        of(
            "turn_refused",
            "TURN messages that are not allowed.",
            &media.turn_refused,
        ),
        of(
            "address_unknown",
            "Datagrams from an address that no peer was checked on.",
            &media.unknown_address,
        ),
        of(
            "dtls_failed",
            "DTLS datagrams that ended in an error.",
            &media.dtls_failed,
        ),
        of(
            "srtp_malformed",
            "SRTP packets that are malformed.",
            &media.srtp_malformed,
        ),
        of(
            "srtp_replayed",
            "SRTP packets received before, or too old.",
            &media.srtp_replayed,
        ),
        of(
            "srtp_forged",
            "SRTP packets whose tag is wrong.",
            &media.srtp_forged,
        ),
        of(
            "packets_received",
            "Media packets that belong to a track.",
            &media.media_received,
        ),
        of(
            "packets_forwarded",
            "Media packets written for subscribers.",
            &media.media_forwarded,
        ),
        of(
            "packets_unusable",
            "Media packets that belong to no track, or cannot be read.",
            &media.media_unusable,
        ),
        of(
            "packets_not_wanted",
            "Media packets that a subscriber was not to get.",
            &media.media_not_wanted,
        ),
        of(
            "packets_unreachable",
            "Packets for a peer that cannot be sent to.",
            &media.unreachable,
        ),
        of(
            "packets_unsealed",
            "Packets that could not be sealed.",
            &media.seal_failed,
        ),
        of(
            "keyframe_requests",
            "Keyframe requests sent to publishers.",
            &media.keyframe_requests,
        ),
        of(
            "packets_asked_again",
            "Missing packets that publishers were asked for.",
            &media.missing_asked,
        ),
        of(
            "packets_restored",
            "Missing packets that publishers sent again in time.",
            &media.restored,
        ),
        of(
            "packets_repaired",
            "Packets sent to subscribers again.",
            &media.repaired,
        ),
        of(
            "events_dropped",
            "Reports that a peer's room did not read.",
            &media.events_dropped,
        ),
        of(
            "peers_orphaned",
            "Peers forgotten because their room ended without removing them.",
            &media.peers_orphaned,
        ),
    ]
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
