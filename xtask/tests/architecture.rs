//! Who may know whom. Reads `cargo metadata` and fails on any edge that the house does not have.
//!
//! Adding an edge is a decision: change the table here and say why in docs/decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate and the crates of this repository that it may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("snug-phoenix", &[]),
    ("snug-protocol", &[]),
    ("snug-rtp", &[]),
    ("snug-congestion", &["snug-rtp"]),
    ("snug-sfu", &["snug-rtp", "snug-congestion"]),
    ("snug-room", &["snug-protocol"]),
    ("snug-media", &["snug-rtp"]),
    ("snug-discovery", &["snug-protocol"]),
    (
        "snug-client",
        &[
            "snug-phoenix",
            "snug-protocol",
            "snug-rtp",
            "snug-congestion",
            "snug-media",
        ],
    ),
    (
        "snug-server",
        &[
            "snug-phoenix",
            "snug-protocol",
            "snug-rtp",
            "snug-congestion",
            "snug-room",
            "snug-sfu",
        ],
    ),
    (
        "snug-cli",
        &[
            "snug-client",
            "snug-server",
            "snug-discovery",
            "snug-protocol",
            "snug-media",
        ],
    ),
    (
        "snug",
        &[
            "snug-cli",
            "snug-client",
            "snug-server",
            "snug-discovery",
            "snug-protocol",
            "snug-media",
        ],
    ),
];

/// Crates that may know everything, and that nothing shipped may know.
const TOOLS: &[&str] = &["snug-testkit", "xtask"];

/// Crates that are plain data and decisions: no runtime, no sockets, no packages that bring them.
const SANS_IO: &[&str] = &[
    "snug-phoenix",
    "snug-protocol",
    "snug-rtp",
    "snug-congestion",
    "snug-room",
    "snug-sfu",
];
const IO: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "async-std",
    "smol",
    "hyper",
    "tungstenite",
];

/// The only places that may say `unsafe`: foreign functions of the codecs, and batched UDP.
const UNSAFE_ALLOWED: &[&str] = &[
    "crates/media/src/device/camera/kernel.rs",
    "crates/media/src/vp8",
    "crates/server/src/transport",
    // A load client that measures others must not be the slowest part.
    "crates/testkit/examples/bench_sfu/batch.rs",
];

/// Where a file stops being readable in one sitting; tests do not count.
const LINES_MAX: usize = 600;

#[test]
fn only_the_edges_of_the_house() {
    let metadata = metadata();
    let ours = metadata["packages"]
        .as_array()
        .expect("cargo lists packages");
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in ours {
        let name = text(package, "name");
        if TOOLS.contains(&name) {
            continue;
        }
        let Some(may_know) = allowed.get(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for Edge { to, kind } in edges_among(package, ours) {
            let is_tool_for_tests = kind == "dev" && to == "snug-testkit";
            if !may_know.contains(&to) && !is_tool_for_tests {
                wrong.push(format!("{name} -> {to} ({kind})"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "edges that the house does not have: {wrong:#?}"
    );
    assert_eq!(
        ours.len(),
        EDGES.len() + TOOLS.len(),
        "the table names a crate that is gone"
    );
}

#[test]
fn the_server_program_is_free_of_the_window() {
    let of_the_window = |name: &String| {
        ["tauri", "wry", "tao", "gtk"].contains(&name.as_str()) || name.contains("webkit")
    };
    let found: Vec<String> = tree("snug-cli").into_iter().filter(of_the_window).collect();
    assert!(
        found.is_empty(),
        "snug-server would need a window's libraries: {found:?}"
    );
    // Without this the test could not fail if the names were wrong.
    assert!(
        tree("snug").iter().any(of_the_window),
        "the app's own tree holds a window"
    );
}

#[test]
fn cores_hold_no_runtime_and_no_sockets() {
    let brings_io = |name: &String| IO.contains(&name.as_str());
    for core in SANS_IO {
        let found: Vec<String> = tree(core).into_iter().filter(brings_io).collect();
        assert!(
            found.is_empty(),
            "{core} is to be free of IO and holds {found:?}"
        );
    }
    assert!(
        tree("snug-server").iter().any(brings_io),
        "the server's tree holds IO"
    );
}

#[test]
fn unsafe_stands_only_in_its_corners() {
    let mut wrong = Vec::new();
    for (path, source) in sources() {
        let allowed = UNSAFE_ALLOWED.iter().any(|corner| path.starts_with(corner));
        if !allowed && source.lines().any(says_unsafe) {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "unsafe outside its corners: {wrong:#?}");
}

#[test]
fn files_keep_their_size() {
    let code = |source: &str| {
        source
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .count()
    };
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|(path, source)| !is_test(path) && code(source) > LINES_MAX)
        .map(|(path, _)| path)
        .collect();
    assert!(
        wrong.is_empty(),
        "more than {LINES_MAX} lines, split by mechanism: {wrong:#?}"
    );
}

/// A dependency of one of our crates on another of ours.
struct Edge<'a> {
    to: &'a str,
    kind: &'a str,
}

fn edges_among<'a>(package: &'a Value, ours: &[Value]) -> Vec<Edge<'a>> {
    let dependencies = package["dependencies"]
        .as_array()
        .expect("cargo lists dependencies");
    dependencies
        .iter()
        .map(|it| Edge {
            to: text(it, "name"),
            kind: it["kind"].as_str().unwrap_or("normal"),
        })
        .filter(|edge| ours.iter().any(|package| text(package, "name") == edge.to))
        .collect()
}

fn metadata() -> Value {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"]);
    serde_json::from_str(&text).expect("cargo metadata prints JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .expect("cargo gives every package and dependency a name")
}

/// Names every package that a crate's shipped code is made of, on this kind of machine.
fn tree(package: &str) -> BTreeSet<String> {
    let edges = [
        "--edges", "normal", "--prefix", "none", "--format", "{p}", "--locked",
    ];
    let printed = cargo(&[&["tree", "--package", package], &edges[..]].concat());
    let first_word = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    printed.lines().map(first_word).collect()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").expect("cargo runs its tests with CARGO set");
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the repository")
}

/// Reads every Rust file of the repository; each with its path from the top folder.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["crates", "src-tauri", "xtask"] {
        collect_rust(&repository().join(folder), &mut files);
    }
    assert!(
        files.len() > 20,
        "the repository has more sources than that"
    );
    files
        .into_iter()
        .map(|file| {
            let path = file
                .strip_prefix(repository())
                .expect("it was found in there");
            let source = std::fs::read_to_string(&file).expect("a source file is readable");
            (path.to_string_lossy().replace('\\', "/"), source)
        })
        .collect()
}

fn collect_rust(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a source folder is readable") {
        let path = entry.expect("a folder's entry is readable").path();
        if path.is_dir() {
            collect_rust(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
}

/// Says whether a line of source holds `unsafe` as code: a comment or a text does not count.
fn says_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    [
        "unsafe {",
        "unsafe fn",
        "unsafe impl",
        "unsafe extern",
        "unsafe trait",
    ]
    .iter()
    .any(|form| code.contains(form) && !code.contains(&format!("\"{form}")))
}
