//! Every screen, light and dark, in three sizes and two languages: axe-core finds nothing,
//! everything fits, and the keyboard reaches all of it in the order in which it is seen. One walk
//! for all three: getting to a screen takes longer than looking at it.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use snug_testkit::lane;
use snug_testkit::netns::with_rights;
use snug_testkit::tour;

use crate::desk::app;
use crate::{fit, keyboard};

#[test]
fn every_screen_is_for_everybody() -> Result<()> {
    // It measures nothing, but its rooms of six leave nothing of two cores to those who do.
    let _turn = lane::turn();
    with_rights(|| {
        let mut seen = 0;
        let mut found = Vec::new();
        let app: PathBuf = app();
        tour::walk(&app, &mut |window, screen, look| {
            // Colours are the theme's and widths the language's: all four together show nothing new.
            if look.theme == "light" && look.language != "en" {
                return Ok(());
            }
            seen += 1;
            let mut faults = window.axe()?;
            faults.extend(fit::faults(window)?);
            // The order is the same in both themes and languages. While joining the page goes on by
            // itself, and would change under the walk.
            if look.theme == "dark" && look.language == "en" && screen != "joining" {
                faults.extend(keyboard::faults(window)?);
            }
            let (width, height) = look.size;
            let place = format!(
                "{screen}, {} {} at {width}x{height}",
                look.theme, look.language
            );
            found.extend(faults.into_iter().map(|fault| format!("{place}: {fault}")));
            Ok(())
        })?;
        ensure!(seen > 150, "only {seen} looks");
        ensure!(
            found.is_empty(),
            "{} faults in {seen} looks:\n{}",
            found.len(),
            found.join("\n")
        );
        Ok(())
    })
}
