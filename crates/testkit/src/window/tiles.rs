//! Reading the number strip (see [`strip`](crate::strip)) off the canvas of a tile, in the page.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Window;

/// Reads the strip of a canvas, or says nothing. Rows 3 to 5 are inside the strip for pictures
/// shown at half their height, too; only the middle of each cell is read, as `strip` does.
const READ_STRIP: &str = "
    const readStrip = canvas => {
        if (!canvas || canvas.width < 80 || canvas.height < 32) return null;
        const width = canvas.width;
        const pixels = canvas.getContext('2d').getImageData(0, 3, width, 3).data;
        const levels = [];
        for (let cell = 0; cell < 20; cell += 1) {
            const left = Math.floor(cell * width / 20);
            const right = Math.floor((cell + 1) * width / 20);
            const quarter = Math.floor((right - left) / 4);
            let sum = 0, count = 0;
            for (let row = 0; row < 3; row += 1) {
                for (let column = left + quarter; column < right - quarter; column += 1) {
                    sum += pixels[(row * width + column) * 4 + 1];
                    count += 1;
                }
            }
            levels.push(sum / count);
        }
        if (levels[0] < levels[1] + 100) return null;
        const bits = levels.slice(2).map(level => level > (levels[0] + levels[1]) / 2);
        let gray = 0, parity = false;
        for (const bit of bits.slice(0, 16)) { gray = gray * 2 + Number(bit); parity ^= bit; }
        if (bits[16] !== Boolean(parity) || bits[17] === Boolean(parity)) return null;
        for (const shift of [8, 4, 2, 1]) gray ^= gray >> shift;
        return gray;
    };
";

/// Looks at a canvas at every repaint of the page for a while. Finds the canvas anew each time:
/// the page may replace it.
const WATCH: &str = "
    const [selector, milliseconds] = arguments;
    const watch = window.snugWatch = { samples: [], unreadable: 0, repaints: 0, done: false };
    const started = performance.now();
    const look = () => {
        const elapsed = performance.now() - started;
        watch.repaints += 1;
        const index = readStrip(document.querySelector(selector));
        const last = watch.samples.at(-1);
        if (index === null) watch.unreadable += 1;
        else if (last?.index !== index) watch.samples.push({ at_ms: elapsed, index });
        if (elapsed >= milliseconds) watch.done = true;
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
";

/// One picture as it appeared on the canvas.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub struct Sample {
    /// Since the watch began.
    pub at_ms: f64,
    /// What its strip says.
    pub index: u16,
}

/// What a tile showed over a while.
#[derive(Clone, Debug, Deserialize)]
pub struct Advance {
    /// Each picture when it first appeared, in order.
    pub samples: Vec<Sample>,
    /// How many looks found no strip.
    pub unreadable: u32,
    /// How often the page repainted, and was looked at.
    pub repaints: u32,
}

impl Advance {
    /// Says how many different pictures a second appeared, counted from the first to the last.
    #[must_use]
    pub fn pictures_per_second(&self) -> f64 {
        let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) else {
            return 0.0;
        };
        let different: BTreeSet<u16> = self.samples.iter().map(|it| it.index).collect();
        let span_ms = last.at_ms - first.at_ms;
        if span_ms <= 0.0 {
            return 0.0;
        }
        (different.len() - 1) as f64 * 1000.0 / span_ms
    }

    /// Says the longest time that one picture stayed.
    #[must_use]
    pub fn longest_pause_ms(&self) -> f64 {
        let pairs = self.samples.windows(2);
        pairs
            .map(|pair| pair[1].at_ms - pair[0].at_ms)
            .fold(0.0, f64::max)
    }

    /// Says whether the numbers only grew.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.samples
            .windows(2)
            // A distance of more than half the circle is a step back.
            .all(|pair| pair[1].index.wrapping_sub(pair[0].index) < u16::MAX / 2)
    }
}

/// Names the canvas of a tile; `which` is a further condition such as `data-me="false"`.
fn canvas(which: &str) -> String {
    format!("[data-testid=\"tile\"][{which}] canvas")
}

impl Window {
    /// Waits until the canvas of a tile shows a readable strip and returns its number. `which` is
    /// a condition on the tile, such as `data-me="false"`.
    ///
    /// # Errors
    /// When no strip can be read in time.
    pub fn strip(&self, which: &str, within: Duration) -> Result<u16> {
        let expression = format!(
            "(() => {{ {READ_STRIP}; const index = readStrip(document.querySelector({})); \
             return index === null ? null : {{ index }}; }})()",
            Value::from(canvas(which))
        );
        let found = self.until_some(&format!("strip on tile[{which}]"), within, &expression)?;
        let index = found["index"].as_u64().context("a strip is a number")?;
        Ok(u16::try_from(index)?)
    }

    /// Waits until a tile shows a picture of any kind: one that is not all of one colour.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn picture(&self, which: &str, within: Duration) -> Result<()> {
        let painted = format!(
            "(() => {{ const canvas = document.querySelector({}); \
             if (!canvas || canvas.width === 0) return false; \
             const {{ data }} = canvas.getContext('2d')\
             .getImageData(0, canvas.height >> 1, canvas.width, 1); \
             return data.some((value, at) => value !== data[at % 4]); }})()",
            Value::from(canvas(which))
        );
        self.until(&format!("picture on tile[{which}]"), within, &painted)
    }

    /// Waits until the canvas of a tile shows a readable strip other than this.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn strip_after(&self, which: &str, before: u16, within: Duration) -> Result<u16> {
        let deadline = Instant::now() + within;
        loop {
            let index = self.strip(which, within)?;
            if index != before {
                return Ok(index);
            }
            if Instant::now() >= deadline {
                return Err(self.failure(&format!("tile[{which}] stands still at {before}")));
            }
            std::thread::sleep(super::LOOK_EVERY);
        }
    }

    /// Watches the canvas of a tile for a while, at every repaint of the page.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn watch(&self, which: &str, during: Duration) -> Result<Advance> {
        self.watch_canvas(&canvas(which), during)
    }

    /// Watches any canvas, named by a selector.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn watch_canvas(&self, selector: &str, during: Duration) -> Result<Advance> {
        let milliseconds = during.as_secs_f64() * 1000.0;
        let script = format!("{READ_STRIP}{WATCH}");
        self.script(&script, json!([selector, milliseconds]))?;
        // Not asked while it watches: every question costs the page time that painting needs.
        std::thread::sleep(during);
        self.until("end of the watch", super::PATIENCE, "window.snugWatch.done")?;
        let seen = self.script("return window.snugWatch", json!([]))?;
        let advance: Advance = serde_json::from_value(seen)?;
        ensure!(advance.repaints > 0, "the page did not repaint once");
        Ok(advance)
    }

    /// Digests the pixels of a canvas: another picture has another digest.
    ///
    /// # Errors
    /// When there is no such canvas or it shows nothing.
    pub fn digest(&self, selector: &str) -> Result<u64> {
        let script = "
            const canvas = document.querySelector(arguments[0]);
            if (!canvas || canvas.width === 0) return null;
            const { data } = canvas.getContext('2d')
                .getImageData(0, 0, canvas.width, canvas.height);
            let digest = 7;
            for (let at = 0; at < data.length; at += 64) {
                digest = (digest * 31 + data[at] + data[at + 1]) % 2147483647;
            }
            return digest;";
        let digest = self.script(script, json!([selector]))?;
        digest
            .as_u64()
            .with_context(|| format!("no picture on {selector}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advance(samples: &[(f64, u16)]) -> Advance {
        let samples = samples.iter().map(|(at_ms, index)| Sample {
            at_ms: *at_ms,
            index: *index,
        });
        Advance {
            samples: samples.collect(),
            unreadable: 0,
            repaints: 1,
        }
    }

    #[test]
    fn a_still_picture_does_not_advance() {
        assert_eq!(advance(&[(0.0, 5)]).pictures_per_second(), 0.0);
        assert_eq!(advance(&[]).pictures_per_second(), 0.0);
    }

    #[test]
    fn pictures_that_come_back_count_once() {
        let flicker = advance(&[(0.0, 1), (500.0, 2), (750.0, 1), (1000.0, 2)]);
        assert!((flicker.pictures_per_second() - 1.0).abs() < 1e-9);
        assert!(!flicker.is_in_order());
    }

    #[test]
    fn the_number_may_wrap_around() {
        let steady = advance(&[(0.0, 65534), (40.0, 65535), (80.0, 0), (120.0, 2)]);
        assert!(steady.is_in_order());
        assert!((steady.pictures_per_second() - 25.0).abs() < 1e-9);
        assert!((steady.longest_pause_ms() - 40.0).abs() < 1e-9);
    }
}
