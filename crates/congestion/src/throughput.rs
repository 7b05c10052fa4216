//! How many bits a second arrive, on the receiver's clock.

/// Microseconds of one bucket.
const BUCKET_US: i64 = 50_000;
const BUCKETS: usize = 20;

/// Bytes by the time of their arrival, over the last second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Throughput {
    buckets: [u32; BUCKETS],
    /// The bucket of the newest arrival, counted from the beginning; none before the first.
    newest: Option<i64>,
    oldest: i64,
}

impl Throughput {
    pub(crate) fn handle_arrival(&mut self, at_us: i64, bytes: usize) {
        let bucket = at_us.div_euclid(BUCKET_US);
        match self.newest {
            None => (self.newest, self.oldest) = (Some(bucket), bucket),
            Some(newest) if bucket > newest => {
                for passed in (newest + 1..=bucket).take(BUCKETS) {
                    self.buckets[index(passed)] = 0;
                }
                // After a pause longer than all of it, everything is new.
                if bucket - newest >= BUCKETS as i64 {
                    self.buckets = [0; BUCKETS];
                    self.oldest = bucket;
                }
                self.newest = Some(bucket);
            }
            Some(newest) if newest - bucket >= BUCKETS as i64 => return,
            Some(_) => {}
        }
        let place = &mut self.buckets[index(bucket)];
        *place = place.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Returns the bits a second that arrived in the last so many buckets of 50 ms, without the
    /// newest, which goes on filling; none before there are two.
    pub(crate) fn over(&self, buckets: usize) -> Option<u64> {
        let newest = self.newest?;
        let known = usize::try_from(newest - self.oldest).unwrap_or(0);
        let count = buckets.min(known).min(BUCKETS - 1);
        if count < 2 {
            return None;
        }
        let span = newest - count as i64..newest;
        let bytes: u64 = span
            .map(|bucket| u64::from(self.buckets[index(bucket)]))
            .sum();
        Some(bytes * 8 * 1_000_000 / (count as u64 * BUCKET_US.unsigned_abs()))
    }

    /// Returns the bits a second of the busiest tenth of a second among the last so many buckets:
    /// what the way carries if anything waited for it meanwhile.
    pub(crate) fn peak(&self, buckets: usize) -> Option<u64> {
        let newest = self.newest?;
        let known = usize::try_from(newest - self.oldest).unwrap_or(0);
        let first = newest - buckets.min(known).min(BUCKETS - 1) as i64;
        let pairs = (first..newest).map(|bucket| {
            let bytes = |bucket| u64::from(self.buckets[index(bucket)]);
            bytes(bucket) + bytes(bucket + 1)
        });
        let most = pairs.max()?;
        Some(most * 8 * 1_000_000 / (2 * BUCKET_US.unsigned_abs()))
    }
}

fn index(bucket: i64) -> usize {
    bucket.rem_euclid(BUCKETS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_arrives() {
        let mut throughput = Throughput::default();
        assert_eq!(throughput.over(6), None);
        for step in 0..200 {
            throughput.handle_arrival(step * 10_000, 1250);
        }
        assert_eq!(throughput.over(6), Some(1_000_000));
        assert_eq!(throughput.over(19), Some(1_000_000));
        assert_eq!(throughput.peak(6), Some(1_000_000));
        throughput.handle_arrival(1_900_000, 12_500);
        assert_eq!(throughput.peak(6), Some(2_000_000));
        throughput.handle_arrival(2_300_000, 1250);
        assert!(
            throughput.over(6).unwrap() < 200_000,
            "nothing came for 300 ms"
        );
        throughput.handle_arrival(0, 60_000);
        assert!(throughput.over(19).unwrap() < 1_000_000, "too old to count");
        throughput.handle_arrival(900_000_000, 1250);
        assert_eq!(
            throughput.over(6),
            None,
            "after a long pause it begins again"
        );
    }
}
