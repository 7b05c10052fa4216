//! The socket itself: listening, letting one page in, sending and hearing what it watches.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};
use tokio_util::sync::CancellationToken;

use super::{Page, Shared, frame, lock};
use crate::ipc::{Levels, Watching};

/// How long a page may take from connecting to showing its token.
const AUTHENTICATE_WITHIN: Duration = Duration::from_secs(2);

/// Connections that may be open at once: the page, the page that replaces it, and a few of
/// others who have not been shut out yet.
const CONNECTIONS_MAX: usize = 8;

/// The longest message from the page: what it watches, with a hundred tiles and room to spare.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Pause between two looks at the levels: 20 a second move a meter smoothly.
const LEVELS_EVERY: Duration = Duration::from_millis(50);

/// Pause after the system refused a connection, for example for want of file handles.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

type Socket = WebSocketStream<TcpStream>;

/// Lets pages in until it is aborted, which ends their connections too.
pub(super) async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
            Ok(_) => tracing::warn!("too many programs knock at the tile socket"),
            Err(error) => {
                tracing::warn!(%error, "the tile socket cannot accept");
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let (mut socket, over) = match timeout(AUTHENTICATE_WITHIN, enter(stream, &shared)).await {
        Ok(Ok(entered)) => entered,
        Ok(Err(error)) => return tracing::warn!(%error, "the tile socket shut someone out"),
        Err(_) => return tracing::warn!("someone at the tile socket showed no token in time"),
    };
    let page = Arc::new(Page::default());
    if shared.enter(&page, &over) {
        let ended = converse(&mut socket, &page, &shared, &over).await;
        shared.leave(&page);
        if let Err(error) = ended {
            tracing::info!(%error, "the page's connection ended");
        }
    }
    // The page may be gone already, then there is nobody to tell.
    drop(timeout(AUTHENTICATE_WITHIN, socket.close(None)).await);
}

/// Opens the socket and waits for the token.
async fn enter(
    stream: TcpStream,
    shared: &Shared,
) -> Result<(Socket, CancellationToken), Box<Error>> {
    stream.set_nodelay(true).map_err(Error::Io)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    #[expect(
        clippy::result_large_err,
        reason = "the WebSocket library asks for its own error type"
    )]
    let admit = |request: &_, response| shared.gate.admit(request, response);
    let mut socket = accept_hdr_async_with_config(stream, admit, Some(config)).await?;
    let first = socket.next().await.ok_or(Error::ConnectionClosed)??;
    let over = match &first {
        Message::Text(token) => shared.gate.redeem(token.as_str()),
        _ => None,
    };
    if let Some(over) = over {
        return Ok((socket, over));
    }
    let reason = CloseFrame {
        code: CloseCode::Policy,
        reason: "token".into(),
    };
    socket.close(Some(reason)).await?;
    let refused = io::Error::new(io::ErrorKind::PermissionDenied, "the token is not good");
    Err(Box::new(Error::Io(refused)))
}

/// Talks to the page until it goes, or until another one takes its place.
async fn converse(
    socket: &mut Socket,
    page: &Arc<Page>,
    shared: &Shared,
    over: &CancellationToken,
) -> Result<(), Box<Error>> {
    let (sink, stream) = socket.split();
    tokio::select! {
        result = listen_to(stream, page, shared) => result,
        result = send_to(sink, page) => result,
        () = note_levels(page, shared) => Ok(()),
        () = over.cancelled() => Ok(()),
    }
}

async fn listen_to(
    mut stream: SplitStream<&mut Socket>,
    page: &Arc<Page>,
    shared: &Shared,
) -> Result<(), Box<Error>> {
    while let Some(message) = stream.next().await {
        match message? {
            Message::Text(text) => match serde_json::from_str::<Watching>(&text) {
                Ok(watching) => shared.watch(page, watching),
                Err(error) => tracing::warn!(%error, "the page watches something unheard of"),
            },
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}

async fn send_to(mut sink: SplitSink<&mut Socket, Message>, page: &Page) -> Result<(), Box<Error>> {
    loop {
        let next = lock(&page.outbox).pop();
        match next {
            Some(frame) => sink.send(Message::Binary(frame.into())).await?,
            None => page.wake.notified().await,
        }
    }
}

/// Queues the levels while the page wants them and whenever they change.
async fn note_levels(page: &Page, shared: &Shared) {
    let mut watching = shared.watching.subscribe();
    let mut told = None::<Levels>;
    // It never fails: the sender lives in `shared`.
    while watching.wait_for(|it| it.levels).await.is_ok() {
        let mut tick = interval(LEVELS_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while watching.borrow().levels {
            tick.tick().await;
            let levels = shared.levels.look();
            if told.as_ref() != Some(&levels) {
                lock(&page.outbox).push_levels(frame::levels(&levels));
                page.wake.notify_one();
                told = Some(levels);
            }
        }
    }
}
