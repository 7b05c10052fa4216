//! Finding and using what is on the page.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fantoccini::Locator;
use fantoccini::elements::Element;
use serde_json::{Value, json};

use super::{LOOK_EVERY, Window};
use crate::process::PATIENCE;

/// Keys that are not letters, as WebDriver writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// To the next control.
    Tab,
    /// To the control before.
    BackTab,
    /// Confirms.
    Enter,
    /// Closes.
    Escape,
    /// Presses the button that has the focus.
    Space,
}

impl Key {
    fn text(self) -> &'static str {
        match self {
            Key::Tab => "\u{e004}",
            // Shift held, Tab, everything released.
            Key::BackTab => "\u{e008}\u{e004}\u{e000}",
            Key::Enter => "\u{e007}",
            Key::Escape => "\u{e00c}",
            Key::Space => " ",
        }
    }
}

/// Writes how the page is asked for one `data-testid`; `id` may go on with further conditions,
/// as in `tile"][data-me="false`.
fn selector(id: &str) -> String {
    format!("[data-testid=\"{id}\"]")
}

/// Says whether the element was taken off the page before it could be used.
fn is_gone(error: &anyhow::Error) -> bool {
    let said = format!("{error:#}");
    said.contains("was not found") || said.contains("stale element")
}

impl Window {
    /// Waits until something with this test id is there.
    ///
    /// # Errors
    /// When it does not appear in time.
    pub fn sees(&self, id: &str) -> Result<()> {
        self.sees_within(id, PATIENCE)
    }

    /// Waits until something with this test id is there and has a size.
    ///
    /// # Errors
    /// When it does not appear in time.
    pub fn sees_within(&self, id: &str, within: Duration) -> Result<()> {
        let visible = format!(
            "[...document.querySelectorAll('{}')].some(it => it.getClientRects().length > 0)",
            selector(id)
        );
        self.until(&format!("`{id}`"), within, &visible)
    }

    /// Waits until nothing visible has this test id.
    ///
    /// # Errors
    /// When it does not go in time.
    pub fn misses(&self, id: &str, within: Duration) -> Result<()> {
        let gone = format!(
            "[...document.querySelectorAll('{}')].every(it => it.getClientRects().length === 0)",
            selector(id)
        );
        self.until(&format!("end of `{id}`"), within, &gone)
    }

    /// Waits until nothing on the page is on its way any more: every animation that ends has
    /// ended, and what changed is painted.
    ///
    /// # Errors
    /// When something keeps moving.
    pub fn settles(&self) -> Result<()> {
        let painted = "const done = arguments[0];
            requestAnimationFrame(() => requestAnimationFrame(() => done(true)));";
        self.script_async(painted, json!([]))?;
        let still = "document.getAnimations().every(it => it.playState !== 'running' ||
            it.effect.getComputedTiming().endTime === Infinity)";
        self.until("end of the animations", PATIENCE, still)?;
        self.script_async(painted, json!([]))?;
        Ok(())
    }

    /// Counts what has this test id.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn count(&self, id: &str) -> Result<u64> {
        let script = "return document.querySelectorAll(arguments[0]).length";
        let count = self.script(script, json!([selector(id)]))?;
        count.as_u64().context("a length is a number")
    }

    /// Clicks as a pointer does: in the middle of what is visible, and only if nothing lies over
    /// it and it is enabled. Waits until that is so.
    ///
    /// # Errors
    /// When it cannot be clicked in time.
    pub fn click(&self, id: &str) -> Result<()> {
        self.sees(id)?;
        let enabled = format!("document.querySelector('{}:not(:disabled)')", selector(id));
        self.until(&format!("enabled `{id}`"), PATIENCE, &enabled)?;
        self.with(id, |element| async move { Ok(element.click().await?) })
    }

    /// Replaces what stands in a field.
    ///
    /// # Errors
    /// When there is no such field in time.
    pub fn fill(&self, id: &str, text: &str) -> Result<()> {
        self.sees(id)?;
        let text = text.to_owned();
        self.with(id, move |element| {
            let text = text.clone();
            async move {
                element.clear().await?;
                if !text.is_empty() {
                    element.send_keys(&text).await?;
                }
                Ok(())
            }
        })
    }

    /// Presses a key wherever the focus is.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn press(&self, key: Key) -> Result<()> {
        self.type_text(key.text())
    }

    /// Types wherever the focus is.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn type_text(&self, text: &str) -> Result<()> {
        // The focus may move between the question where it is and the press; then nothing was
        // pressed yet.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = text.to_owned();
            let outcome = self.driver.run(move |client| async move {
                let focused = client.active_element().await?;
                Ok(focused.send_keys(&text).await?)
            });
            match outcome {
                Err(error) if Instant::now() < deadline && is_gone(&error) => {}
                outcome => return outcome,
            }
        }
    }

    /// Reads the visible words of something; waits until it is there.
    ///
    /// # Errors
    /// When it does not appear in time.
    pub fn words(&self, id: &str) -> Result<String> {
        self.sees(id)?;
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        let words = self.script(script, json!([selector(id)]))?;
        Ok(words.as_str().context("words are text")?.to_owned())
    }

    /// Waits until the visible words of something hold all of these, in any spacing.
    ///
    /// # Errors
    /// When they do not in time; the error tells what stands there.
    pub fn reads(&self, id: &str, wanted: &str, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let script = "return [...document.querySelectorAll(arguments[0])]
            .map(it => it.innerText).join(' ')";
        loop {
            let found = self.script(script, json!([selector(id)]))?;
            let found = squeeze(found.as_str().unwrap_or_default());
            if found.contains(&squeeze(wanted)) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let what = format!("no `{wanted}` in `{id}` within {within:?}, but `{found}`");
                return Err(self.failure(&what));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Reads an attribute; nothing when there is none.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn attribute(&self, id: &str, name: &str) -> Result<Option<String>> {
        let script = "return document.querySelector(arguments[0])?.getAttribute(arguments[1])";
        let value = self.script(script, json!([selector(id), name]))?;
        Ok(value.as_str().map(str::to_owned))
    }

    /// Waits until an attribute has this value.
    ///
    /// # Errors
    /// When it has not in time.
    pub fn has(&self, id: &str, name: &str, value: &str, within: Duration) -> Result<()> {
        let held = format!(
            "document.querySelector('{}')?.getAttribute('{name}') === {}",
            selector(id),
            Value::from(value)
        );
        self.until(&format!("{name}={value} on `{id}`"), within, &held)
    }

    fn with<F>(&self, id: &str, work: impl Fn(Element) -> F + Send + 'static) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let css = selector(id);
        let outcome = self.driver.run(move |client| async move {
            let found = client.find_all(Locator::Css(&css)).await?;
            for element in found {
                if element.is_displayed().await? {
                    return work(element).await;
                }
            }
            anyhow::bail!("nothing visible")
        });
        outcome.map_err(|error| self.failure(&format!("`{id}`: {error:#}")))
    }
}
