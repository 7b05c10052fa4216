//! The ear of the suite itself: what a page complains of fails the scenario that did not expect it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use snug_testkit::browser::Kind;
use snug_testkit::process::PATIENCE;

use crate::rig::scenario;

/// What a page does wrong, each in words of its own.
const WRONGS: [(&str, &str); 4] = [
    (
        "thrown late",
        "void setTimeout(() => { throw new Error('thrown late'); })",
    ),
    ("left alone", "void Promise.reject(new Error('left alone'))"),
    ("said as an error", "console.error('said as an error')"),
    ("said as a warning", "console.warn('said as a warning')"),
];

fn nothing_is_missed(kind: Kind) -> Result<()> {
    scenario(|rig| {
        for (words, script) in WRONGS {
            let browser = rig.browser(kind)?;
            let page = browser.open("Ann")?;
            ensure!(browser.complaints().is_empty(), "{browser:?}");
            page.run(script)?;
            let deadline = Instant::now() + PATIENCE;
            let is_heard = || {
                browser
                    .complaints()
                    .iter()
                    .any(|(_, text)| text.contains(words))
            };
            while !is_heard() {
                ensure!(
                    Instant::now() < deadline,
                    "nobody heard {words:?}: {browser:?}"
                );
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(page);
            let told = browser.close(&[]).map_err(|error| error.to_string());
            ensure!(
                told.as_ref().is_err_and(|told| told.contains(words)),
                "{told:?}"
            );
        }
        // Only what is listed is let pass.
        let browser = rig.browser(kind)?;
        let page = browser.open("Ann")?;
        page.run("console.error('one')")?;
        page.run("console.error('two')")?;
        let deadline = Instant::now() + PATIENCE;
        while browser.complaints().len() < 2 {
            ensure!(Instant::now() < deadline, "{browser:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(page);
        browser.close(&["one", "two"])
    })
}

#[test]
fn what_a_page_of_chromium_complains_of_fails_its_scenario() -> Result<()> {
    nothing_is_missed(Kind::Chromium)
}

#[test]
fn what_a_page_of_firefox_complains_of_fails_its_scenario() -> Result<()> {
    nothing_is_missed(Kind::Firefox)
}
