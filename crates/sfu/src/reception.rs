//! What a source's packets tell about the way they came: loss and jitter (RFC 3550 A.3, A.8).

use snug_rtp::rtcp::{ReportBlock, SenderReport};
use snug_rtp::{NtpTime, RtpTime, SequenceNumber, SequenceUnwrapper};
use std::time::{Duration, Instant};

/// The statistics of one received source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reception {
    unwrapper: SequenceUnwrapper,
    first: Option<u64>,
    received: u64,
    /// Expected and received at the last report.
    reported: (u64, u64),
    /// Sixteen times the jitter in clock ticks.
    jitter_x16: u32,
    last: Option<(Instant, RtpTime)>,
    report: Option<ClockPoint>,
}

/// One instant on the publisher's wall clock, in the source's RTP clock, and in ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockPoint {
    pub(crate) ntp: NtpTime,
    pub(crate) rtp: RtpTime,
    pub(crate) at: Instant,
}

impl ClockPoint {
    /// Returns the point `now`, on the same line: both clocks have run on since the report. The
    /// time that the report travelled is in both, so the mapping between them stays exact.
    pub(crate) fn at(&self, now: Instant, clock_rate: u32) -> Self {
        let elapsed = now.saturating_duration_since(self.at);
        Self {
            ntp: self.ntp.after(elapsed),
            rtp: self.rtp.after(elapsed, clock_rate),
            at: now,
        }
    }
}

impl Reception {
    /// Counts a packet that arrived `now`.
    pub(crate) fn handle_packet(
        &mut self,
        sequence: SequenceNumber,
        timestamp: RtpTime,
        clock_rate: u32,
        now: Instant,
    ) {
        let placed = self.unwrapper.unwrap(sequence);
        self.first = Some(self.first.map_or(placed, |first| first.min(placed)));
        self.received += 1;
        if let Some((at, last)) = self.last {
            let elapsed = RtpTime(0).after(now.saturating_duration_since(at), clock_rate);
            let transit = elapsed
                .0
                .wrapping_sub(timestamp.0.wrapping_sub(last.0))
                .cast_signed();
            // A jump of the source's clock is not jitter: it would drown the figure for minutes.
            let change = transit.unsigned_abs().min(clock_rate);
            let old = self.jitter_x16;
            self.jitter_x16 = old.saturating_add(change).saturating_sub((old + 8) >> 4);
        }
        self.last = Some((now, timestamp));
    }

    /// Remembers the source's sender report that arrived `now`.
    pub(crate) fn handle_report(&mut self, report: &SenderReport, now: Instant) {
        self.report = Some(ClockPoint {
            ntp: report.ntp,
            rtp: report.rtp,
            at: now,
        });
    }

    /// Returns the last known point of the source's clocks.
    pub(crate) fn clock(&self) -> Option<ClockPoint> {
        self.report
    }

    /// Makes the next report block, or none before the first packet.
    pub(crate) fn next_report(&mut self, ssrc: u32, now: Instant) -> Option<ReportBlock> {
        let (first, highest) = (self.first?, self.unwrapper.highest()?);
        let expected = highest - first + 1;
        let lost = i64::try_from(expected).ok()? - i64::try_from(self.received).ok()?;
        let expected_since = expected - self.reported.0;
        let received_since = self.received - self.reported.1;
        self.reported = (expected, self.received);
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction = (lost_since << 8).checked_div(expected_since).unwrap_or(0);
        Some(ReportBlock {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: lost.clamp(-0x80_0000, 0x7F_FFFF) as i32,
            // The unwrapper starts one turn up, to have room below the first number.
            highest_sequence: (highest - 0x1_0000) as u32,
            jitter: self.jitter_x16 >> 4,
            last_sender_report: self.report.map_or(0, |report| report.ntp.middle()),
            delay_since_last: self.report.map_or(0, |report| {
                units_of_65536th(now.saturating_duration_since(report.at))
            }),
        })
    }
}

fn units_of_65536th(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos() * 65_536 / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test needs some instant to count from"
        )]
        Instant::now()
    }

    #[test]
    fn loss_is_counted_across_the_wrap() {
        let (mut reception, start) = (Reception::default(), start());
        for step in (0u16..100).filter(|step| step % 4 != 3) {
            let sequence = SequenceNumber(65_500).wrapping_add(step);
            reception.handle_packet(sequence, RtpTime(u32::from(step) * 960), 48_000, start);
        }
        let block = reception.next_report(5, start).unwrap();
        assert_eq!(block.cumulative_lost, 24, "the last loss is not known yet");
        assert_eq!(block.fraction_lost, (24 * 256 / 99) as u8);
        assert_eq!(block.highest_sequence, 65_500 + 98);
        let block = reception.next_report(5, start).unwrap();
        assert_eq!(block.fraction_lost, 0);
    }

    #[test]
    fn reordered_and_doubled_packets_are_not_lost() {
        let (mut reception, start) = (Reception::default(), start());
        for number in [5u16, 4, 6, 6, 8, 7] {
            reception.handle_packet(SequenceNumber(number), RtpTime(0), 90_000, start);
        }
        let block = reception.next_report(5, start).unwrap();
        assert_eq!(block.cumulative_lost, -1);
        assert_eq!(block.fraction_lost, 0);
    }

    #[test]
    fn jitter_is_zero_for_a_steady_source_and_grows_with_delay() {
        let (mut reception, start) = (Reception::default(), start());
        for step in 0u16..50 {
            let at = start + Duration::from_millis(20) * u32::from(step);
            reception.handle_packet(
                SequenceNumber(step),
                RtpTime(u32::from(step) * 960),
                48_000,
                at,
            );
        }
        assert_eq!(reception.next_report(1, start).unwrap().jitter, 0);
        for step in 50u16..250 {
            let late = Duration::from_millis(if step % 2 == 0 { 0 } else { 5 });
            let at = start + Duration::from_millis(20) * u32::from(step) + late;
            reception.handle_packet(
                SequenceNumber(step),
                RtpTime(u32::from(step) * 960),
                48_000,
                at,
            );
        }
        let jitter = reception.next_report(1, start).unwrap().jitter;
        assert!(
            (230..=245).contains(&jitter),
            "5 ms are 240 ticks: {jitter}"
        );
    }

    #[test]
    fn a_report_is_echoed_with_its_age() {
        let (mut reception, start) = (Reception::default(), start());
        reception.handle_packet(SequenceNumber(1), RtpTime(0), 90_000, start);
        let report = SenderReport {
            ntp: NtpTime(0x1111_2222_3333_4444),
            ..Default::default()
        };
        reception.handle_report(&report, start);
        let block = reception
            .next_report(1, start + Duration::from_millis(500))
            .unwrap();
        assert_eq!(block.last_sender_report, 0x2222_3333);
        assert_eq!(block.delay_since_last, 32_768);
    }
}
