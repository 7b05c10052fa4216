//! The Tab key goes through every control of a screen, in the order in which they are seen.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use snug_testkit::window::{Key, Window};

use crate::desk::opening;

/// More than any screen has.
const STOPS_MAX: usize = 60;

/// Numbers what can have the focus, so that a stop is told from the next. Of a group of radio
/// buttons the chosen one stands for all; behind a modal sheet nothing counts.
const CONTROLS: &str = "
    const modal = [...document.querySelectorAll('dialog[open], [aria-modal=true]')].at(-1);
    const groups = new Set();
    let number = 0;
    const found = [];
    for (const it of (modal ?? document).querySelectorAll(
        'button, a[href], input, select, textarea, [tabindex]')) {
        const box = it.getBoundingClientRect();
        if (it.disabled || it.tabIndex < 0 || it.closest('[inert]') || !box.width) continue;
        if (getComputedStyle(it).visibility === 'hidden') continue;
        if (it.type === 'radio') {
            const chosen = document.querySelector(`input[name='${it.name}']:checked`);
            if (groups.has(it.name) || (chosen && chosen !== it)) continue;
            groups.add(it.name);
        }
        it.dataset.stop = String(number);
        number += 1;
        found.push(it.dataset.testid ?? it.getAttribute('aria-label') ?? it.innerText ?? it.tagName);
    }
    // Behind a sheet nothing can have the focus, so it stays where it is.
    if (!modal) document.activeElement?.blur();
    return found;
";

/// Where the focus is. `Element.getBoundingClientRect` of a hidden input is that of its label.
const FOCUS: &str = "
    const it = document.activeElement;
    if (!it || it === document.body || it.dataset.stop === undefined) return null;
    const shown = it.getBoundingClientRect().width > 1 ? it : (it.closest('label') ?? it);
    const box = shown.getBoundingClientRect();
    // What scrolls into sight under the focus has not moved on the page.
    let right = 0, down = 0;
    for (let up = shown.parentElement; up; up = up.parentElement) {
        right += up.scrollLeft;
        down += up.scrollTop;
    }
    const scrolls = up => up.scrollHeight > up.clientHeight
        && ['auto', 'scroll'].includes(getComputedStyle(up).overflowY);
    let scroller = shown.parentElement;
    while (scroller && !scrolls(scroller)) scroller = scroller.parentElement;
    const style = getComputedStyle(it);
    const around = getComputedStyle(shown);
    return { stop: Number(it.dataset.stop), left: box.left + right, top: box.top + down,
        right: box.right + right, bottom: box.bottom + down, seen_top: box.top,
        seen_bottom: box.bottom, scroller: [...document.querySelectorAll('*')].indexOf(scroller),
        is_apart: !!it.closest('[role=dialog]')
            || it.dataset.testid === 'settings-button', is_lit: it.matches(':focus-visible') && [style, around,
            getComputedStyle(it.parentElement)].some(one => one.outlineStyle !== 'none'
                || one.boxShadow !== 'none') };
";

#[derive(Clone, Debug, Deserialize)]
struct Stop {
    stop: usize,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    /// Where it is seen while it has the focus: as far as its list has scrolled.
    seen_top: f64,
    seen_bottom: f64,
    /// What it scrolls in; -1 is nothing.
    scroller: i64,
    /// In a drawer, which is a place of its own beside the page; or the way to settings, which
    /// comes with the page's head wherever a small window draws it.
    is_apart: bool,
    is_lit: bool,
}

impl Stop {
    /// Says whether the eye would have to jump back to get from here to `next`.
    fn jumps_back_to(&self, next: &Stop) -> bool {
        if self.is_apart != next.is_apart {
            return false;
        }
        // Out of a list or into one: as seen. Within one: as if nothing had scrolled.
        let span = |stop: &Self| match self.scroller == next.scroller {
            true => (stop.top, stop.bottom),
            false => (stop.seen_top, stop.seen_bottom),
        };
        let ((top, bottom), (next_top, next_bottom)) = (span(self), span(next));
        let overlap = bottom.min(next_bottom) - top.max(next_top);
        let height = (bottom - top).min(next_bottom - next_top);
        if overlap > height / 2.0 {
            // In one row: to the right, unless one holds the other.
            let holds = next.left <= self.left && next.right >= self.right;
            return next.left < self.left - 1.0 && !holds;
        }
        // Up is fine only into the next column.
        next_bottom <= top + 1.0 && next.left < self.right - 1.0
    }
}

/// Lists what is wrong with the way of the focus on what the window shows now.
pub fn faults(window: &Window) -> Result<Vec<String>> {
    let names: Vec<String> = serde_json::from_value(window.script(CONTROLS, json!([]))?)?;
    let mut stops: Vec<Stop> = Vec::new();
    for _ in 0..STOPS_MAX {
        window.press(Key::Tab)?;
        let focus = window.script(FOCUS, json!([]))?;
        if focus == Value::Null {
            // Past the last one: outside the page, or on something not meant to be stopped at.
            if stops.len() >= names.len() {
                break;
            }
            continue;
        }
        let stop: Stop = serde_json::from_value(focus)?;
        if stops.iter().any(|seen| seen.stop == stop.stop) {
            break;
        }
        stops.push(stop);
    }
    let mut faults = Vec::new();
    for (number, name) in names.iter().enumerate() {
        match stops.iter().find(|stop| stop.stop == number) {
            None => faults.push(format!("Tab never reaches `{name}`")),
            Some(stop) if !stop.is_lit => faults.push(format!("no ring on `{name}`")),
            Some(_) => {}
        }
    }
    // Where the round begins is the page's choice; the one jump back to the start is none.
    let first = stops.iter().position(|stop| stop.stop == 0).unwrap_or(0);
    stops.rotate_left(first);
    for pair in stops.windows(2) {
        if pair[0].jumps_back_to(&pair[1]) {
            let name = |stop: &Stop| names.get(stop.stop).cloned().context("a numbered control");
            faults.push(format!(
                "Tab jumps back from `{}` to `{}`",
                name(&pair[0])?,
                name(&pair[1])?
            ));
        }
    }
    Ok(faults)
}

#[test]
fn a_control_out_of_reach_and_one_out_of_order_are_noticed() -> Result<()> {
    let window = opening().open()?;
    let fine = faults(&window)?;
    ensure!(fine.is_empty(), "{fine:?}");
    let broken = "
        const main = document.querySelector('main');
        const late = document.createElement('button');
        late.textContent = 'Too late';
        late.style = 'position: fixed; left: 0; top: 0';
        const trap = document.createElement('button');
        trap.textContent = 'Never';
        trap.addEventListener('focus', () => trap.blur());
        main.append(late, trap);";
    window.script(broken, json!([]))?;
    let found = faults(&window)?.join("\n");
    ensure!(found.contains("jumps back"), "{found}");
    ensure!(found.contains("never reaches `Never`"), "{found}");
    Ok(())
}
