//! The licences that travel with the package: ours, and those of everything linked into it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::build::metadata;
use crate::process::{cargo, output, repository};

/// How files are called that hold the terms of a licence.
const TERMS: [&str; 4] = ["LICENSE", "LICENCE", "COPYING", "NOTICE"];

/// What the page embeds besides our own: folders below `ui/node_modules`.
const PAGE: [&str; 3] = ["svelte", "@lucide/svelte", "@tauri-apps/api"];

/// What is linked in although cargo does not bring it, and where Debian keeps its terms.
const SYSTEM: (&str, &str) = ("libvpx", "/usr/share/doc/libvpx-dev/copyright");

/// Writes the file that Debian wants beside every package.
pub fn copyright() -> Result<String> {
    let licence = read(&repository().join("LICENSE"))?;
    let terms: Vec<String> = licence
        .lines()
        .skip_while(|line| !line.starts_with("Permission"))
        .map(|line| match line.trim() {
            "" => " .".to_owned(),
            line => format!(" {line}"),
        })
        .collect();
    let holder = licence
        .lines()
        .find_map(|line| line.strip_prefix("Copyright (c) "))
        .context("LICENSE names no holder")?;
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: Snug\n\
         Comment: What is linked into the programs has terms of its own: see\n \
         third-party-licences in this folder.\n\n\
         Files: *\nCopyright: {holder}\nLicense: MIT\n{}\n",
        terms.join("\n")
    ))
}

/// Writes the terms of everything linked in: each text once, after the names that it is for.
pub fn third_party() -> Result<String> {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |name: &str, files: Vec<PathBuf>| -> Result<()> {
        for file in files {
            let names = texts.entry(read(&file)?).or_default();
            names.insert(name.to_owned());
        }
        Ok(())
    };
    let mut bare = Vec::new();
    for (name, folder) in linked()? {
        let files = terms_in(&folder)?;
        if files.is_empty() {
            bare.push(name);
        } else {
            add(&name, files)?;
        }
    }
    for name in PAGE {
        let folder = repository().join("ui/node_modules").join(name);
        add(name, terms_in(&folder)?)?;
    }
    add(SYSTEM.0, vec![PathBuf::from(SYSTEM.1)])?;
    let mut out = String::from("What Snug's programs are made of, besides Snug, and its terms.\n");
    let mut parts: Vec<(Vec<String>, String)> = texts
        .into_iter()
        .map(|(text, names)| (names.into_iter().collect(), text))
        .collect();
    parts.sort();
    let rule = "-".repeat(78);
    for (names, text) in parts {
        out += &format!(
            "\n{rule}\n{}\n{rule}\n\n{}\n",
            names.join(", "),
            text.trim()
        );
    }
    out += &format!(
        "\n{rule}\nUnder the terms of the licence that each names, without a text of its own\n{rule}\n\n{}\n",
        bare.join("\n")
    );
    Ok(out)
}

/// Lists the crates that are linked into the programs, with their licence, and their folders.
fn linked() -> Result<BTreeMap<String, PathBuf>> {
    let mut folders = BTreeMap::new();
    let metadata = metadata(&[])?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for package in metadata["packages"].as_array().context("no packages")? {
        let name = format!("{} v{}", text(&package["name"]), text(&package["version"]));
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let licence = text(&package["license"]);
        folders.insert(name, (manifest, licence));
    }
    let tree = output(cargo().args([
        "tree",
        "--locked",
        "--package",
        "snug",
        "--package",
        "snug-cli",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    let mut linked = BTreeMap::new();
    for line in tree.lines().filter(|line| !line.contains(" (/")) {
        let mut words = line.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            continue;
        };
        let name = format!("{name} {version}");
        let (manifest, licence) = folders
            .get(&name)
            .with_context(|| format!("cargo does not know where {name} is"))?;
        let folder = manifest.parent().context("a manifest lies in a folder")?;
        linked.insert(format!("{name} ({licence})"), folder.to_owned());
    }
    Ok(linked)
}

fn terms_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot look into {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && is_terms(path))
        .collect();
    files.sort();
    Ok(files)
}

fn is_terms(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_uppercase();
    TERMS.iter().any(|start| name.starts_with(start))
}

fn read(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copyright_file_holds_our_licence() {
        let text = copyright().unwrap();
        assert!(text.contains("\nCopyright: 2026 The Snug authors\nLicense: MIT\n Permission"));
        assert!(text.contains("\n .\n"), "a paragraph ends with a dot");
    }

    #[test]
    fn everything_that_is_linked_is_named_with_its_terms() {
        let text = third_party().unwrap();
        for name in ["tokio v", "tauri v", "rustls v", "svelte", "libvpx"] {
            assert!(text.contains(name), "{name}");
        }
        assert!(!text.contains("snug-server v"), "our own terms stand apart");
        let (_, bare) = text.rsplit_once("without a text of its own").unwrap();
        for line in bare.lines().filter(|line| line.contains(" v")) {
            assert!(!line.ends_with("()"), "neither text nor licence: {line}");
        }
    }

    #[test]
    fn terms_are_found_by_their_names() {
        for name in ["LICENSE", "License-MIT.txt", "COPYING", "NOTICE"] {
            assert!(is_terms(Path::new(name)), "{name}");
        }
        assert!(!is_terms(Path::new("lib.rs")));
    }
}
