//! Guests who do not say goodbye, and words that make no sense: the others are not disturbed.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use snug_testkit::browser::{Browser, Kind};
use snug_testkit::process::PATIENCE;

use crate::rig::{Guest, RELAY_ENDED, Release, scenario};

/// A socket that closes without a word is noticed at once.
const CLOSED_MAX: Duration = Duration::from_secs(2);

/// Somebody from whom nothing is heard any more is gone after five seconds (protocol.md 8), give
/// or take how long a browser takes to fall silent, and how often that is looked at.
const SILENT: std::ops::Range<Duration> = Duration::from_millis(4_900)..Duration::from_secs(7);

/// What a client says whose offer was under way when it froze: awake again, it is told of its end
/// and lets its connection go, and then goes on with the offer, at one step of it or another.
const OFFER_OUTLIVES_END: &str = "Cannot read properties of undefined (reading '";

/// The longest that others may be missing meanwhile.
const GAP_MAX: Duration = Duration::from_secs(1);

fn join<'a>(browser: &'a Browser, name: &str, room: &str) -> Result<Guest<'a>> {
    let guest = Guest::join(browser, name, Release::MAIN, room)?;
    guest.camera()?;
    guest.tone(500)?;
    Ok(guest)
}

#[test]
fn who_is_killed_or_freezes_is_gone_in_time() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let other = rig.browser(Kind::Chromium)?;
        let ann = join(&browser, "Ann", "endings")?;
        let bob = join(&browser, "Bob", "endings")?;
        let killed = join(&browser, "Killed", "endings")?;
        let frozen = join(&other, "Frozen", "endings")?;
        for guest in [&bob, &killed, &frozen] {
            ann.sees_and_hears(&guest.id, PATIENCE)?;
        }
        ann.measure_gaps()?;

        killed.page.crash()?;
        let since = Instant::now();
        ann.sees_gone(&killed.id, CLOSED_MAX)?;
        println!("a killed tab is gone after {:?}", since.elapsed());

        other.freeze();
        let since = Instant::now();
        ann.sees_gone(&frozen.id, PATIENCE)?;
        println!("a frozen tab is gone after {:?}", since.elapsed());
        ensure!(SILENT.contains(&since.elapsed()), "{:?}", since.elapsed());
        let gap = ann.gap(&bob.id, "video")?;
        ensure!(gap < GAP_MAX, "no picture of Bob for {gap:?}");

        // Who wakes up is told that it is out, and may come back as somebody new.
        other.thaw();
        frozen
            .page
            .until("the end", PATIENCE, "snug.disconnected > 0")?;
        browser.close(&["Page crashed"])?;
        other.close(&[RELAY_ENDED, OFFER_OUTLIVES_END])
    })
}
