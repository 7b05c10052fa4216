//! Opens links of the chat outside of the window, in the person's own browser.

use tauri::{AppHandle, Url};

use crate::ipc::Problem;

/// The longest link that is opened, in bytes.
const LINK_BYTES_MAX: usize = 2048;

/// Opens a web link. Other kinds are refused: what `file:` or a program's own scheme would start on
/// this computer is not for whoever wrote the message to decide.
///
/// # Errors
/// `not_a_web_link`, or `no_browser` when the system opens nothing.
pub(crate) fn open(app: &AppHandle, link: &str) -> Result<(), Problem> {
    let url = checked(link).ok_or_else(|| {
        let message = "This link does not lead to a web page.";
        problem("not_a_web_link", message, "Copy it, and look at it first.")
    })?;
    // The system's own desk opens it: only the main thread may ask.
    app.run_on_main_thread(move || {
        if let Err(error) = start(&url) {
            tracing::warn!(%error, "a link is not opened");
        }
    })
    .map_err(|error| {
        let message = "No browser opened the link.";
        problem(
            "no_browser",
            message,
            &format!("Copy it there by hand. ({error})"),
        )
    })
}

/// Reads a link as browsers do; nothing when it is none for them, or names somebody before its host,
/// as links do that pretend to lead elsewhere.
fn checked(link: &str) -> Option<Url> {
    let url = Url::parse(link)
        .ok()
        .filter(|_| link.len() <= LINK_BYTES_MAX)?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    let is_plain = url.username().is_empty() && url.password().is_none();
    (is_web && is_plain).then_some(url)
}

#[cfg(target_os = "linux")]
fn start(url: &Url) -> Result<(), String> {
    let shown = gtk::show_uri_on_window(None::<&gtk::Window>, url.as_str(), 0);
    shown.map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn start(url: &Url) -> Result<(), String> {
    // Started without a shell, so that nothing in the link is read as a command.
    let (program, arguments): (&str, &[&str]) = match cfg!(windows) {
        true => ("rundll32", &["url.dll,FileProtocolHandler"]),
        false => ("open", &[]),
    };
    let mut command = std::process::Command::new(program);
    let started = command.args(arguments).arg(url.as_str()).spawn();
    started.map(drop).map_err(|error| error.to_string())
}

fn problem(code: &str, message: &str, hint: &str) -> Problem {
    Problem {
        code: code.to_owned(),
        message: message.to_owned(),
        hint: hint.to_owned(),
        details: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_links_are_opened() {
        for link in ["https://example.org/a?b#c", "http://192.168.1.20:8080/"] {
            assert_eq!(checked(link).map(String::from).as_deref(), Some(link));
        }
        let long = format!("https://example.org/{}", "x".repeat(LINK_BYTES_MAX));
        for link in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,x",
            "smb://host/share",
            "snug://host/room",
            "--help",
            "",
            "https://bank.example@evil.example/",
            &long,
        ] {
            assert_eq!(checked(link), None, "{link}");
        }
    }
}
