
use std::io::Write;
use std::sync::{LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
static FILE: LazyLock<Mutex<Option<std::fs::File>>> = LazyLock::new(|| Mutex::new(std::env::var("SNUG_DIAG").ok().and_then(|p| std::fs::OpenOptions::new().append(true).create(true).open(p).ok())));
pub(crate) fn log(text: String) {
    if let Ok(mut file) = FILE.lock() && let Some(file) = file.as_mut() {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
        let _ = writeln!(file, "{at} {text}");
    }
}
