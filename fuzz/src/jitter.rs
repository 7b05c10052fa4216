//! What a network does to a voice, as operations of three bytes: packets in any order, late, twice
//! or from another clock, and pulls in between. Sound stays sound.

use std::time::{Duration, Instant};

use snug_media::BLOCK_SAMPLES;
use snug_media::playout::{AudioJitterBuffer, JitterConfig};
use snug_rtp::{RtpTime, SequenceNumber};

/// Says the input to it.
pub fn run(data: &[u8]) {
    let config = JitterConfig::interactive();
    let mut buffer = AudioJitterBuffer::new(config).expect("a decoder can be made");
    let mut now = Instant::now();
    let mut block = [0.0; BLOCK_SAMPLES];
    let mut inserted = 0;
    for operation in data.chunks_exact(3) {
        let &[kind, high, low] = operation else {
            return;
        };
        let number = u16::from_be_bytes([high, low]);
        match kind % 4 {
            // In step with its clock.
            0 => {
                let time = RtpTime(u32::from(number) * 960);
                buffer.insert(SequenceNumber(number), time, &[kind, high, low], now);
                inserted += 1;
            }
            // Out of step.
            1 => {
                let time = RtpTime(u32::from(number) << (kind >> 4));
                buffer.insert(SequenceNumber(u16::from(kind)), time, operation, now);
                inserted += 1;
            }
            2 => now += Duration::from_millis(u64::from(number % 500)),
            _ => {
                for _ in 0..=(number % 20) {
                    now += Duration::from_millis(10);
                    buffer.pull(&mut block, now);
                    assert!(block.iter().all(|sample| sample.is_finite()));
                }
            }
        }
    }
    assert_eq!(buffer.counters().received, inserted);
    // Of somebody who does not pull it says how long they did not.
    buffer.delay();
}
