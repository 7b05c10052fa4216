//! What a window shows fits into it: nothing scrolls sideways, no control lies outside or under
//! something else, no words are cut without a sign.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use snug_testkit::window::Window;

use crate::desk::opening;

/// A pixel of rounding does no harm.
const FAULTS: &str = "
    const faults = [];
    const root = document.documentElement;
    if (root.scrollWidth > innerWidth + 1) faults.push(`scrolls sideways: ${root.scrollWidth}`);
    if (root.scrollHeight > innerHeight + 1) faults.push(`the page scrolls: ${root.scrollHeight}`);
    const said = it => `<${it.tagName.toLowerCase()} ${it.dataset.testid ?? ''}> ` +
        `\"${(it.getAttribute('aria-label') ?? it.innerText ?? '').slice(0, 40)}\"`;
    const scrolls = it => {
        for (let up = it.parentElement; up; up = up.parentElement) {
            const flow = getComputedStyle(up).overflowY;
            if ((flow === 'auto' || flow === 'scroll') && up.scrollHeight > up.clientHeight + 1)
                return true;
        }
        return false;
    };
    for (const it of document.querySelectorAll('button, a[href], input, select, textarea')) {
        const box = it.getBoundingClientRect();
        if (!box.width || it.closest('[inert]') || getComputedStyle(it).visibility === 'hidden')
            continue;
        // What is only for screen readers is a pixel large.
        if (box.width <= 1 || scrolls(it)) continue;
        if (box.left < -1 || box.top < -1 || box.right > innerWidth + 1
            || box.bottom > innerHeight + 1) {
            faults.push(`outside the window: ${said(it)} at ${Math.round(box.left)},` +
                `${Math.round(box.top)} to ${Math.round(box.right)},${Math.round(box.bottom)}`);
            continue;
        }
        if (getComputedStyle(it).pointerEvents === 'none') continue;
        const modal = [...document.querySelectorAll('dialog[open], [aria-modal=true]')].at(-1);
        if (modal && !modal.contains(it)) continue;
        const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        const label = it.closest('label');
        if (top && !it.contains(top) && !top.contains(it) && !label?.contains(top))
            faults.push(`covered: ${said(it)} by ${said(top)}`);
    }
    for (const it of document.querySelectorAll('button, h1, h2, p, label')) {
        const box = it.getBoundingClientRect();
        if (box.width <= 1 || !it.innerText) continue;
        const style = getComputedStyle(it);
        if (style.overflowX === 'hidden' && it.scrollWidth > it.clientWidth + 1
            && style.textOverflow !== 'ellipsis')
            faults.push(`cut: ${said(it)}`);
    }
    return faults;
";

/// Lists what does not fit on what the window shows now.
pub fn faults(window: &Window) -> Result<Vec<String>> {
    let found = window.script(FAULTS, json!([]))?;
    let list: &Vec<Value> = found.as_array().context("a list")?;
    Ok(list
        .iter()
        .filter_map(|it| it.as_str().map(str::to_owned))
        .collect())
}

#[test]
fn what_does_not_fit_is_noticed() -> Result<()> {
    let window = opening().open()?;
    ensure!(faults(&window)?.is_empty(), "{:?}", faults(&window)?);
    let broken = "
        const button = document.createElement('button');
        button.textContent = 'Far away';
        button.style = 'position: fixed; left: 3000px';
        const lid = document.createElement('div');
        lid.style = 'position: fixed; inset: 0; z-index: 99';
        document.body.append(button, lid);";
    window.script(broken, json!([]))?;
    let found = faults(&window)?.join("\n");
    ensure!(
        found.contains("outside the window") && found.contains("covered"),
        "{found}"
    );
    Ok(())
}
