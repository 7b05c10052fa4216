//! Running other programs: each failure names the whole command.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Names the top folder of the repository, where every command runs.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the repository")
}

/// Prepares a program that runs in the repository's top folder.
pub fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(repository());
    command
}

/// Prepares the same cargo that started this program, in the environment that a shell gives it.
pub fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = program(cargo);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_this_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Says whether cargo set a variable to tell this program about its own package. Passed on, some
/// build scripts (ring's) would take it for a change and build everything above them again.
fn is_of_this_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

/// Says whether a program of that name is on the search path.
pub fn is_installed(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// Runs a command with its output on this terminal; fails when it cannot start or does not
/// succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Runs a command without a sound and returns what it printed; a failure carries its last words.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{shown}` failed ({}):\n{}",
            output.status,
            last_lines(&said, 20)
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed no UTF-8"))
}

/// Runs a command, passing each line of its standard output to `each` and on to the terminal.
/// Returns whether it succeeded; fails only when it cannot run.
pub fn tee(command: &mut Command, mut each: impl FnMut(&str)) -> Result<bool> {
    let shown = show(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let lines = BufReader::new(
        child
            .stdout
            .take()
            .expect("the output was asked to be piped"),
    );
    for line in lines.lines() {
        let line = line.with_context(|| format!("reading what `{shown}` prints"))?;
        each(&line);
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(child.wait()?.success())
}

/// Writes a command as a person would type it.
pub fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// Names a file relative to the repository when it is inside, for messages.
pub fn relative(path: &Path) -> PathBuf {
    path.strip_prefix(repository())
        .unwrap_or(path)
        .to_path_buf()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_last_words() {
        let error = output(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c") && text.contains("broken"), "{text}");
    }

    #[test]
    fn tee_sees_every_line_and_the_outcome() {
        let mut seen = Vec::new();
        let ok = tee(
            Command::new("sh").args(["-c", "echo a; echo b; exit 1"]),
            |line| {
                seen.push(line.to_owned());
            },
        );
        assert!(!ok.unwrap());
        assert_eq!(seen, ["a", "b"]);
    }
}
