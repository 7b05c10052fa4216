//! Asking axe-core what it finds wrong with the page.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Window;
use crate::lane;

/// Where `cargo xtask setup` installs it, with the page's other packages.
const AXE: &str = "ui/node_modules/axe-core/axe.min.js";

/// Runs every rule of WCAG 2.2 A and AA and axe's best practices; keeps what a reader needs.
const RUN: &str = "
    const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations', 'incomplete'] }).then(
        found => done({ violations: found.violations.map(rule =>
            `${rule.id}: ${rule.help}: ` + rule.nodes.map(node =>
                `${node.target.join(' ')} (${node.failureSummary.replace(/\\s+/g, ' ')})`
            ).join('; ')), passes: found.passes.length }),
        error => done({ error: String(error) }));
";

impl Window {
    /// Lists what axe-core finds wrong with what the page shows now, each with the elements.
    ///
    /// # Errors
    /// When axe-core is not installed or cannot run.
    pub fn axe(&self) -> Result<Vec<String>> {
        let file = lane::repository().join(AXE);
        let source = std::fs::read_to_string(&file).with_context(|| {
            format!(
                "{} is missing; cargo xtask setup installs it",
                file.display()
            )
        })?;
        self.script(&format!("if (!window.axe) {{ {source} }}"), json!([]))?;
        let found = self.script_async(RUN, json!([]))?;
        if let Some(error) = found["error"].as_str() {
            anyhow::bail!("axe-core failed: {error}");
        }
        // A run that checked nothing finds nothing.
        let passes = found["passes"].as_u64().unwrap_or_default();
        anyhow::ensure!(passes > 0, "axe-core checked nothing: {found}");
        let Value::Array(violations) = &found["violations"] else {
            anyhow::bail!("axe-core said {found}");
        };
        let words = violations.iter().filter_map(Value::as_str);
        Ok(words.map(str::to_owned).collect())
    }
}
