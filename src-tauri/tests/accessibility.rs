//! Everybody can use every screen: axe-core finds nothing, in either theme.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::desk::opening;

/// A check that finds nothing in a broken page checks nothing.
#[test]
fn a_broken_page_is_noticed() -> Result<()> {
    let window = opening().open()?;
    let broken = "
        const main = document.querySelector('main');
        const image = document.createElement('img');
        const faint = document.createElement('p');
        faint.textContent = 'Nobody reads this';
        faint.style.color = '#333';
        faint.style.background = '#222';
        main.append(image, faint);";
    window.script(broken, json!([]))?;
    let found = window.axe()?.join("\n");
    ensure!(
        found.contains("image-alt") && found.contains("color-contrast"),
        "{found}"
    );
    Ok(())
}
