//! Simulcast of the main pair in Chromium: three sizes are sent, each receiver chooses one, and the
//! sender stops and starts them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use snug_testkit::browser::{Browser, Kind};
use snug_testkit::process::PATIENCE;

use crate::rig::{Guest, Release, STUN_UNANSWERED, scenario};

/// How long Chromium may take to believe that the network bears all three.
const LAYERS_MAX: Duration = Duration::from_secs(40);

/// A wish is seen in the picture this long after it was told.
const SWITCH_MAX: Duration = Duration::from_secs(2);

/// The longest that the picture may stand meanwhile.
const FREEZE_MAX: Duration = Duration::from_secs(1);

/// What this release makes of its own flood: it sets what it has read only once.
const FLOODED: &str = "Failed to set parameters since getParameters() has never been called";

/// Ann sends three sizes, 320, 640 and 1280 wide, and Bob receives her.
struct Layered<'a> {
    ann: Guest<'a>,
    bob: Guest<'a>,
}

impl<'a> Layered<'a> {
    fn start(browser: &'a Browser) -> Result<Self> {
        let join = |name| {
            let page = browser.open(name)?;
            Guest::join_with(page, Release::MAIN, "layers", "{simulcast: true}")
        };
        let (ann, bob) = (join("Ann")?, join("Bob")?);
        let config = "snug.simulcastConfig?.data === true";
        bob.page.until("simulcastConfig", PATIENCE, config)?;
        ann.page.run(
            "snug.addCamera({width: 1280, height: 720, frameRate: 10, encodings: ['l', 'm', 'h']})",
        )?;
        bob.receives(&ann.id, "video", 1, PATIENCE)?;
        let started = Instant::now();
        ann.page.until(
            "three layers",
            LAYERS_MAX,
            "snug.layers().then((layers) => [['l', 320], ['m', 640], ['h', 1280]]
                .every(([rid, width]) => layers[rid]?.width === width && layers[rid].frames > 10))",
        )?;
        println!("three layers flow after {:?}", started.elapsed());
        Ok(Self { ann, bob })
    }

    fn view(&self) -> String {
        format!("snug.of('{}', 'video')[0]", self.ann.id)
    }

    /// Waits until Bob's picture is that wide.
    fn width(&self, width: u32, within: Duration) -> Result<()> {
        let holds = format!("{}.width === {width}", self.view());
        let what = format!("picture {width} wide");
        self.bob.page.until(&what, within, &holds).map(drop)
    }

    /// Wishes for a layer and measures how long the switch takes, and how long the picture stands.
    fn switch(&self, layer: &str, width: u32) -> Result<()> {
        let view = self.view();
        self.bob.measure_gaps()?;
        let started = Instant::now();
        let wish = format!("snug.webrtc.setTargetTrackEncoding({view}.trackId, '{layer}')");
        self.bob.page.run(&wish)?;
        self.width(width, SWITCH_MAX)?;
        let took = started.elapsed();
        self.told(layer)?;
        self.bob.still_receives_kind(&self.ann.id, "video")?;
        let gap = self.bob.gap(&self.ann.id, "video")?;
        println!("{layer} after {took:?}, standing for {gap:?}");
        ensure!(gap < FREEZE_MAX, "the picture stood for {gap:?}");
        Ok(())
    }

    /// Waits until Bob's client was told that it gets this layer now; returns why.
    fn told(&self, layer: &str) -> Result<String> {
        let last = format!(
            "(() => {{ const last = {}.encodings.at(-1);
                return last?.encoding === '{layer}' && last.reason; }})()",
            self.view()
        );
        let reason = self.bob.page.until("encodingSwitched", PATIENCE, &last)?;
        Ok(reason.as_str().context("no reason")?.to_owned())
    }
}

fn with_layers(run: impl FnOnce(&Layered<'_>) -> Result<()>) -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let layered = Layered::start(&browser)?;
        run(&layered)?;
        drop(layered);
        browser.close(&[FLOODED])
    })
}

#[test]
fn a_wish_for_a_layer_is_seen_at_once_and_without_a_freeze() -> Result<()> {
    with_layers(|layered| {
        layered.switch("l", 320)?;
        layered.switch("h", 1280)?;
        layered.switch("m", 640)?;
        layered.bob.ready_once()
    })
}

#[test]
fn a_layer_that_is_switched_off_gives_way_and_comes_back() -> Result<()> {
    with_layers(|layered| {
        let Layered { ann, bob } = layered;
        layered.switch("h", 1280)?;
        let off = "snug.webrtc.disableTrackEncoding(snug.own.get('camera').id, 'h')";
        ann.page.run(off)?;
        layered.width(640, PATIENCE)?;
        ensure!(layered.told("m")? == "encoding_inactive");

        // Each answer makes this release say all again, twice as often each time (protocol.md
        // 5.7): seven answers are some hundred words, which change nothing.
        bob.measure_gaps()?;
        ann.page.run("snug.churn(4, 300)")?;
        let said = ann.page.run("snug.count('sent', 'disableTrackEncoding')")?;
        println!("switched off {said} times");
        ensure!(said.as_u64() > Some(20), "no flood: {said}");
        let heard = bob
            .page
            .run("snug.count('received', 'trackEncodingDisabled')")?;
        ensure!(heard == 1, "Bob heard {heard} times of one layer");
        bob.still_receives_kind(&ann.id, "video")?;
        ensure!(bob.gap(&ann.id, "video")? < FREEZE_MAX);

        let on = "snug.webrtc.enableTrackEncoding(snug.own.get('camera').id, 'h')";
        ann.page.run(on)?;
        layered.width(1280, LAYERS_MAX)?;
        layered.told("h")?;
        bob.ready_once()
    })
}

#[test]
fn a_limit_of_a_track_is_kept_and_outlives_negotiations() -> Result<()> {
    const LIMIT_KBPS: u32 = 300;
    /// This release takes a kilobit for 1024 bits; an encoder swings about its target.
    const RATE_MAX: f64 = LIMIT_KBPS as f64 * 1024.0 * 1.25;
    const SECONDS: u32 = 4;
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let join = |name| Guest::join(&browser, name, Release::MAIN, "limits");
        let (ann, bob) = (join("Ann")?, join("Bob")?);
        ann.page
            .run("snug.addCamera({width: 1280, height: 720, frameRate: 24})")?;
        bob.receives(&ann.id, "video", 1, PATIENCE)?;
        // Without a limit it sends far more: else a limit would prove nothing.
        let more = format!(
            "snug.sentRate(1).then((rate) => rate > {} && rate)",
            1.5 * RATE_MAX
        );
        let rate = ann.page.until("more than that", LAYERS_MAX, &more)?;
        println!("without a limit: {rate} bit/s");
        ann.page.run(&format!(
            "snug.webrtc.setTrackBandwidth(snug.own.get('camera').id, {LIMIT_KBPS})"
        ))?;
        let said = ann.page.run("snug.count('sent', 'trackVariantBitrates')")?;
        ensure!(said == 1, "said {said} times");
        let less = format!("snug.sentRate(1).then((rate) => rate < {RATE_MAX})");
        ann.page.until("less", PATIENCE, &less)?;
        let kept = |when: &str| -> Result<()> {
            let rate = ann.page.run(&format!("snug.sentRate({SECONDS})"))?;
            println!("{when}: {rate} bit/s");
            let rate = rate.as_f64().context("no number")?;
            ensure!((1.0..RATE_MAX).contains(&rate), "{when}: {rate} bit/s");
            bob.still_receives_kind(&ann.id, "video")
        };
        kept("with a limit")?;
        let before = ann.page.run("snug.count('received', 'sdpAnswer')")?;
        ann.tone(500)?;
        bob.receives(&ann.id, "audio", 1, PATIENCE)?;
        ensure!(before != ann.page.run("snug.count('received', 'sdpAnswer')")?);
        kept("after a negotiation")?;
        browser.close(&[STUN_UNANSWERED])
    })
}
