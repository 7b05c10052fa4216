//! `serve`: a room server until it is told to stop.

use std::io::Write;

use snug_discovery::Announcer;
use snug_server::{Config, RoomPolicy, Server, TlsFiles};

use crate::args::{Rooms, ServeArguments, data_dir};
use crate::exit::{Exit, Failure};
use crate::pages::PAGES;

/// Hosts rooms until SIGINT or SIGTERM, then tells everyone and ends; also those on this network
/// who only look for rooms.
pub(crate) async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    snug_server::raise_open_files_limit();
    let config = Config {
        port: arguments.port,
        bind: arguments.bind,
        data_dir: data_dir(arguments.data),
        rooms: match arguments.rooms {
            Rooms::Open => RoomPolicy::Open,
            Rooms::Listed => RoomPolicy::Listed,
        },
        people_max: usize::from(arguments.people_max),
        allow_plain_ws: arguments.allow_plain_ws,
        allow_origins: arguments.allow_origins,
        announce: arguments.announce,
        is_announced: !arguments.no_discovery,
        tls: arguments
            .tls_cert
            .zip(arguments.tls_key)
            .map(|(certificate, key)| TlsFiles { certificate, key }),
        pages: PAGES,
        ..Config::default()
    };
    if PAGES.is_empty() {
        tracing::info!("this build holds no page for browsers: build ui/ first, then this program");
    }
    let server = Server::start(config).await.map_err(failure)?;
    announce_ready(&server)?;
    let announcer = server.adverts().map(Announcer::start);
    let ended = until_ended(stop_asked(), server.failed()).await;
    if let Some(announcer) = announcer {
        announcer.finish().await;
    }
    server.shutdown().await;
    ended
}

/// Waits until somebody asks to stop, or the server cannot go on.
async fn until_ended(
    asked: impl Future<Output = std::io::Result<()>>,
    failed: impl Future<Output = snug_server::Error>,
) -> Result<(), Failure> {
    tokio::select! {
        asked = asked => asked.map_err(Failure::unexpected),
        error = failed => Err(failure(error)),
    }
}

/// Prints the one line that says where rooms are and by which key they are known.
fn announce_ready(server: &Server) -> Result<(), Failure> {
    let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "ready: {} fingerprint {}",
        addresses.join(", "),
        server.pin()
    )
    .and_then(|()| out.flush())
    .map_err(Failure::unexpected)
}

/// Waits for SIGINT or SIGTERM.
pub async fn stop_asked() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

fn failure(error: snug_server::Error) -> Failure {
    let exit = match &error {
        snug_server::Error::PortInUse { .. } => Exit::PortInUse,
        _ => Exit::Unexpected,
    };
    let hint = error.hint();
    Failure::new(exit, error, hint)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_server_that_cannot_go_on_ends_with_a_failure() {
        let asked = until_ended(ready(Ok(())), pending()).await;
        assert!(asked.is_ok());
        let broken = ready(snug_server::Error::MediaLost);
        let failed = until_ended(pending(), broken).await.unwrap_err();
        assert_eq!(failed.exit, Exit::Unexpected);
        assert!(failed.to_string().contains("Start it again"), "{failed}");
    }
}
