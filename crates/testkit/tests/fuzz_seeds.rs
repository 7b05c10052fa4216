//! Every seed of the fuzz targets and every input that once broke one (`fuzz/seeds`), said to the same
//! functions again without a fuzzer.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use snug_testkit::lane;

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

#[test]
fn seeds_and_kept_crashes_break_nothing() -> Result<()> {
    let seeds = lane::repository().join("fuzz/seeds");
    let mut known = BTreeSet::new();
    for (name, run) in targets::TARGETS {
        known.insert((*name).to_owned());
        let mut said = 0;
        for entry in fs::read_dir(seeds.join(name)).with_context(|| format!("seeds of {name}"))? {
            let path = entry?.path();
            // A panic leaves this as the last line.
            println!("{}", path.display());
            let data = fs::read(&path)?;
            run(&data);
            // What a network does to it first: an end that is missing.
            run(&data[..data.len() / 2]);
            said += 1;
        }
        ensure!(said > 0, "no seeds of {name}");
    }
    let mut kept = BTreeSet::new();
    for entry in fs::read_dir(&seeds)? {
        kept.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    ensure!(kept == known, "seeds of what is no target: {kept:?}");
    Ok(())
}
