//! Chromium behind a way that carries less than everything: what it is told and shown.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use snug_testkit::browser::Kind;
use snug_testkit::cable::Cable;
use snug_testkit::process::PATIENCE;
use snug_testkit::profile::Profile;

use crate::rig::{Guest, Release, TWO_CABLES, scenario};

/// What Chromium needs to believe that the network bears all three layers.
const LAYERS_MAX: Duration = Duration::from_secs(40);
/// A way that narrows is noticed, and one that widens is used again, after so long at most.
const FALL_MAX: Duration = Duration::from_secs(6);
const RISE_MAX: Duration = Duration::from_secs(20);
/// The way in kilobits a second: more than all layers, and less than the best.
const WIDE: u64 = 8000;
const NARROW: u64 = 1000;
/// How long the estimate may take to settle.
const SETTLED: Duration = Duration::from_secs(8);

/// Waits until Bob's client was told that it gets one of these layers; returns why.
fn told(bob: &Guest<'_>, layers: &str, since: u64, within: Duration) -> Result<String> {
    let last = format!(
        "snug.events.slice({since}).findLast((event) => event.type === 'encodingSwitched'
            && '{layers}'.includes(event.data.encoding))?.data.reason"
    );
    let reason = bob.page.until("encodingSwitched", within, &last)?;
    Ok(reason.as_str().context("no reason")?.to_owned())
}

/// Says what Bob's client was told, with seconds since it joined.
fn story(bob: &Guest<'_>) -> Result<String> {
    let story = bob.page.run(
        "snug.events.filter(({type}) => ['bandwidthEstimation', 'encodingSwitched'].includes(type))
            .map(({at, data}) => Math.round((at - snug.events[0].at) / 100) / 10 + ' s: '
                + (data.encoding ? data.encoding + ' ' + data.reason
                    : Math.round(data.estimation / 1000))).join(', ')",
    )?;
    Ok(story.as_str().unwrap_or_default().to_owned())
}

fn events(bob: &Guest<'_>) -> Result<u64> {
    let count = bob.page.run("snug.events.length")?;
    count.as_u64().context("no number")
}

#[test]
fn a_narrow_way_is_estimated_and_shown_less_until_it_widens() -> Result<()> {
    scenario(|rig| {
        let cable = rig.cable(Profile::Bottleneck(WIDE), 3)?;
        let browser = rig.browser(Kind::Chromium)?;
        let layered = "{simulcast: true}";
        let ann = Guest::join_with(browser.open("Ann")?, Release::MAIN, "rate", layered)?;
        let far = Cable::FAR.to_string();
        let page = browser.open("Bob")?;
        let bob = Guest::join_at(&far, page, Release::MAIN, "rate", layered)?;
        ann.page.run(
            "snug.addCamera({width: 1280, height: 720, frameRate: 24, encodings: ['l', 'm', 'h']})",
        )?;
        ann.tone(440)?;
        bob.sees_and_hears(&ann.id, PATIENCE)?;
        let view = format!("snug.of('{}', 'video')[0]", ann.id);
        let best = format!("{view}.width === 1280");
        bob.page.until("the best layer", LAYERS_MAX, &best)?;
        std::thread::sleep(SETTLED);
        let still = bob.page.until("still the best layer", PATIENCE, &best);
        still.with_context(|| format!("told: {:?}", story(&bob)))?;

        let (before, started) = (events(&bob)?, Instant::now());
        cable.change(Profile::Bottleneck(NARROW));
        let reason = told(&bob, "lm", before, FALL_MAX);
        let reason = reason.with_context(|| format!("told: {:?}", story(&bob)))?;
        println!("less after {:?}: {reason}", started.elapsed());
        ensure!(reason == "low_bandwidth", "{reason}");
        std::thread::sleep(SETTLED);
        let last = "snug.events.findLast((event) => event.type === 'bandwidthEstimation')";
        let estimate = bob.page.run(&format!("{last}.data.estimation"))?;
        let estimate = estimate.as_f64().context("no number")? / 1000.0;
        println!("{NARROW} kb/s are estimated as {estimate}");
        ensure!((NARROW as f64 * 0.7..NARROW as f64 * 1.3).contains(&estimate));
        bob.still_receives(&ann.id)?;

        let started = Instant::now();
        cable.change(Profile::Bottleneck(WIDE));
        // Of a still picture the best layer may fit into the narrow way too, and be there already.
        let risen = bob.page.until("the best layer again", RISE_MAX, &best);
        risen.with_context(|| format!("told: {:?}", story(&bob)))?;
        println!("all again after {:?}", started.elapsed());
        println!("{}", story(&bob)?);
        drop((ann, bob));
        browser.close(&[TWO_CABLES])
    })
}
