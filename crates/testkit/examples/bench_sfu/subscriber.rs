//! One subscriber: counts what comes, and reports on it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use snug_congestion::Arrivals;
use snug_rtp::rtcp::Writer;
use snug_rtp::{Packet, SequenceNumber};

use super::batch::{BATCH, Batch, note_arrivals};
use super::load::{Beat, INDEX_AT, Seen, Span};
use snug_testkit::endpoint::{Connected, RTX, TWCC, VP8};

/// Of so many packets one is opened and looked into.
const OPENED_EVERY: u64 = 16;
/// How often a receiver reports what it received (RFC 3550), as browsers do.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
const HEADER_LEN: usize = 12;
/// The source of a subscriber's reports.
const OWN_SSRC: u32 = 1;

/// One who receives pictures.
pub struct Subscriber {
    room: usize,
    connected: Connected,
    /// The number of the newest packet, as sent to us and as its sender counts.
    newest: Option<(u16, u64)>,
    ssrc: u32,
    count: u64,
    reported_at: Instant,
    /// What came under transport-wide numbers, where the server writes them.
    arrivals: Arrivals,
}

/// A moment on both clocks: the kernel's, in nanoseconds since 1970, and ours.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    at: Instant,
    at_ns: u64,
}

impl Moment {
    pub fn now() -> Self {
        let (at, at_ns) = (Instant::now(), super::load::now_ns());
        Self { at, at_ns }
    }

    /// Says when on our clock it was that time on the kernel's.
    fn instant(&self, at_ns: u64) -> Instant {
        match at_ns.checked_sub(self.at_ns) {
            Some(later) => self.at + Duration::from_nanos(later),
            None => self.at - Duration::from_nanos(self.at_ns - at_ns),
        }
    }
}

impl Subscriber {
    pub fn new(room: usize, connected: Connected) -> Result<Self> {
        connected.socket.set_nonblocking(true)?;
        note_arrivals(&connected.socket)?;
        Ok(Self {
            room,
            connected,
            newest: None,
            ssrc: 0,
            count: 0,
            reported_at: Instant::now(),
            arrivals: Arrivals::default(),
        })
    }

    /// Takes everything that has come.
    pub fn look(
        &mut self,
        batch: &mut Batch,
        moment: Moment,
        beat: &Beat,
        span: Option<Span>,
        seen: &mut Seen,
    ) -> Result<()> {
        loop {
            let taken = batch.take(&self.connected.socket)?;
            for datagram in 0..taken {
                let (data, at_ns) = batch.datagram(datagram);
                self.note_number(data, moment.instant(at_ns));
                let Some(index) = self.index(data)? else {
                    continue;
                };
                if span.is_some_and(|span| (span.from..span.to).contains(&index)) {
                    seen.packets += 1;
                    let late_ns = at_ns.saturating_sub(beat.sent_at(self.room, index));
                    seen.delays_us
                        .push(u32::try_from(late_ns / 1000).unwrap_or(u32::MAX));
                }
            }
            if taken < BATCH {
                return Ok(());
            }
        }
    }

    /// Notes a transport-wide number, of retransmissions and padding too.
    fn note_number(&mut self, data: &[u8], at: Instant) {
        if !matches!(data, [128..=191, kind, ..] if matches!(kind & 0x7F, VP8 | RTX)) {
            return;
        }
        let packet = Packet::parse(data).ok();
        if let Some(&[high, low]) = packet.and_then(|packet| packet.extension(TWCC)) {
            let number = SequenceNumber(u16::from_be_bytes([high, low]));
            self.arrivals.handle_packet(number, at);
        }
    }

    /// Says which of its sender's packets this is; none for anything but pictures.
    fn index(&mut self, data: &[u8]) -> Result<Option<u64>> {
        let is_picture = matches!(data, [128..=191, kind, ..] if kind & 0x7F == VP8);
        if !is_picture || data.len() < HEADER_LEN {
            return Ok(None);
        }
        let number = u16::from_be_bytes([data[2], data[3]]);
        self.count += 1;
        let counted = self.newest.map(|(newest, index)| {
            let step = number.wrapping_sub(newest) as i16;
            index.saturating_add_signed(i64::from(step))
        });
        let index = match counted {
            Some(index) if !self.count.is_multiple_of(OPENED_EVERY) => index,
            counted => {
                let written = self.open(data)?;
                ensure!(
                    counted.is_none_or(|counted| counted == written),
                    "a packet says it is {written} and was taken for {counted:?}"
                );
                written
            }
        };
        if self.newest.is_none_or(|(_, newest)| index > newest) {
            self.newest = Some((number, index));
        }
        self.ssrc = u32::from_be_bytes([data[8], data[9], data[10], data[11]]);
        Ok(Some(index))
    }

    /// Opens a packet and reads which one it is.
    fn open(&mut self, data: &[u8]) -> Result<u64> {
        let opened = self.connected.contexts.open.decrypt_rtp(data)?;
        let is_extended = opened[0] & 0x10 != 0;
        let words = usize::from(u16::from_be_bytes([opened[14], opened[15]]));
        let payload_at = HEADER_LEN + if is_extended { 4 + 4 * words } else { 0 };
        let mut index = [0; 8];
        let at = payload_at + INDEX_AT;
        ensure!(opened.len() >= at + index.len(), "a short packet");
        index.copy_from_slice(&opened[at..at + 8]);
        Ok(u64::from_be_bytes(index))
    }

    /// Reports what was received, when it is time.
    pub fn report(&mut self, now: Instant) -> Result<()> {
        if self.arrivals.deadline().is_some_and(|due| due <= now) {
            let mut buffer = [0; 1200];
            let mut writer = Writer::new(&mut buffer);
            self.arrivals
                .write_feedback(now, OWN_SSRC, self.ssrc, &mut writer)?;
            let len = writer.finish();
            self.send_report(&buffer[..len])?;
        }
        let Some((number, _)) = self.newest else {
            return Ok(());
        };
        if now.saturating_duration_since(self.reported_at) < REPORT_INTERVAL {
            return Ok(());
        }
        self.reported_at = now;
        let mut report = vec![0x81, 201, 0, 7];
        report.extend(OWN_SSRC.to_be_bytes());
        report.extend(self.ssrc.to_be_bytes());
        report.extend([0, 0, 0, 0, 0, 0]);
        report.extend(number.to_be_bytes());
        report.extend([0; 12]);
        self.send_report(&report)
    }

    fn send_report(&mut self, report: &[u8]) -> Result<()> {
        if report.is_empty() {
            return Ok(());
        }
        let sealed = self.connected.contexts.seal.encrypt_rtcp(report)?;
        // A server that is gone shows in what arrives.
        drop(self.connected.socket.send(&sealed));
        Ok(())
    }
}
