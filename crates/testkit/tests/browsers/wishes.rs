//! What older clients ask of a room besides: whose picture comes first, and how many of which size.

use anyhow::Result;
use serde_json::json;
use snug_testkit::browser::Kind;
use snug_testkit::process::PATIENCE;

use crate::rig::{Guest, Release, scenario};

/// The last release that has these words.
const OLD: Release = Release::new("phoenix-1.3", "membrane-0.5.3");

const CAMERA: &str = "snug.addCamera({width: 320, height: 180, frameRate: 10})";

#[test]
fn the_picture_that_a_client_wants_first_comes_first_for_it_alone() -> Result<()> {
    scenario(|rig| {
        let browser = rig.browser(Kind::Chromium)?;
        let join = |name, release| Guest::join(&browser, name, release, "wishes");
        let shown = [
            join("Ann", Release::MAIN)?,
            join("Bob", OLD)?,
            join("Cid", OLD)?,
        ];
        for guest in &shown {
            guest.page.run(CAMERA)?;
        }
        let (wishes, other) = (join("Dan", OLD)?, join("Eve", OLD)?);
        for guest in [&wishes, &other] {
            for whom in &shown {
                guest.receives(&whom.id, "video", 1, PATIENCE)?;
            }
            guest.page.run(
                "(snug.orders = [], snug.webrtc.on('tracksPriorityChanged', (on, off) =>
                    snug.orders.push({
                        on: on.map((track) => track.endpoint.id), off: off.length,
                    }))) && null",
            )?;
        }
        let priority = |wish: &str, whom: &str| {
            let track = format!("snug.of('{whom}', 'video')[0].trackId");
            wishes.page.run(&format!("snug.webrtc.{wish}({track})"))
        };
        // All pictures are listed, since what is not counts as switched off; the last wish is first.
        let told = |count: usize, first: &[&str]| {
            let last = json!(first);
            let holds = format!(
                "snug.orders.length === {count} && snug.orders.at(-1).on.length === 3
                    && snug.orders.at(-1).off === 0
                    && {last}.every((id, index) => snug.orders.at(-1).on[index] === id)"
            );
            let what = format!("order {count}, first {first:?}");
            wishes.page.until(&what, PATIENCE, &holds).map(drop)
        };
        let [ann, bob, cid] = shown.each_ref().map(|guest| guest.id.as_str());
        for (count, whom) in [cid, ann, bob].into_iter().enumerate() {
            priority("prioritizeTrack", whom)?;
            told(count + 1, &[whom])?;
        }
        told(3, &[bob, ann, cid])?;
        priority("unprioritizeTrack", bob)?;
        told(4, &[ann, cid, bob])?;
        // Sizes are taken, and change nothing; neither does a track that is nobody's.
        for words in [
            "setPreferedVideoSizes(1, 4, 2, false)",
            "setPreferedVideoSizes(0, 0, 0, true)",
            "prioritizeTrack('nobody:nothing')",
        ] {
            wishes.page.run(&format!("snug.webrtc.{words}"))?;
        }
        // Whatever is said after them has been handled after them.
        priority("prioritizeTrack", bob)?;
        told(5, &[bob, ann, cid])?;
        for whom in &shown {
            wishes.still_receives_kind(&whom.id, "video")?;
            other.still_receives_kind(&whom.id, "video")?;
        }
        let orders = other.page.run("snug.orders")?;
        anyhow::ensure!(orders == json!([]), "another was told {orders}");
        wishes.ready_once()?;
        browser.close(&[])
    })
}
