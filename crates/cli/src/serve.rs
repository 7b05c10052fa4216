//! `serve`: a room server until it is told to stop.

use std::io::Write;

use snug_server::{Config, RoomPolicy, Server};

use crate::args::{Rooms, ServeArguments, data_dir};
use crate::exit::{Exit, Failure};

/// Hosts rooms until SIGINT or SIGTERM, then tells everyone and ends.
pub(crate) async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    let config = Config {
        port: arguments.port,
        bind: arguments.bind,
        data_dir: data_dir(arguments.data),
        rooms: match arguments.rooms {
            Rooms::Open => RoomPolicy::Open,
            Rooms::Listed => RoomPolicy::Listed,
        },
        allow_plain_ws: arguments.allow_plain_ws,
        allow_origins: arguments.allow_origins,
        announce: arguments.announce,
    };
    let server = Server::start(config).await.map_err(failure)?;
    announce_ready(&server)?;
    stop_asked().await.map_err(Failure::unexpected)?;
    server.shutdown().await;
    Ok(())
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
pub(crate) async fn stop_asked() -> std::io::Result<()> {
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
