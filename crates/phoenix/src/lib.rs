//! Phoenix Channels as plain data: serializers, a server socket core and a client core.
//!
//! Phoenix Channels carry named events between a browser and a server, many topics over one
//! WebSocket. This crate speaks them from both ends. It knows no rooms, no sockets, no clock and
//! no runtime: frames and the time come in as arguments, what to do comes out as values.
//!
//! Start from [`server::Socket`], with [`server::Channel`] for what an application implements,
//! or from [`client::Socket`].
//!
//! ```
//! use std::time::Instant;
//!
//! use snug_phoenix::server::{
//!     Channel, Flow, IDLE_TIMEOUT, JoinOutcome, Outbox, Output, Socket, Terminate,
//! };
//! use snug_phoenix::{Frame, Payload, Version};
//!
//! /// Answers every event with its own payload.
//! struct Echo;
//!
//! impl Channel for Echo {
//!     type Command = ();
//!     type Info = ();
//!     fn handle_in(&mut self, _: &str, payload: Payload, out: &mut Outbox<()>) -> Flow {
//!         out.reply("ok", payload);
//!         Flow::Continue
//!     }
//!     fn handle_info(&mut self, (): (), _: &mut Outbox<()>) -> Flow {
//!         Flow::Continue
//!     }
//!     fn terminate(&mut self, _: Terminate, _: &mut Outbox<()>) {}
//! }
//!
//! let now = Instant::now();
//! let mut socket: Socket<Echo> = Socket::new(Version::V2, IDLE_TIMEOUT, now);
//! socket.handle_frame(Frame::Text(r#"["1","1","echo:x","phx_join",{}]"#.into()), now);
//! let Some(Output::Join { id, .. }) = socket.poll_output() else { panic!("a join is asked for") };
//! socket.handle_joined(id, JoinOutcome::Joined { channel: Echo, response: serde_json::json!({}) });
//! socket.handle_frame(Frame::Text(r#"["1","2","echo:x","hello",[1,2]]"#.into()), now);
//!
//! let sent: Vec<Frame> = std::iter::from_fn(|| socket.poll_output())
//!     .filter_map(|output| if let Output::Send(frame) = output { Some(frame) } else { None })
//!     .collect();
//! assert_eq!(sent, [
//!     Frame::Text(r#"["1","1","echo:x","phx_reply",{"status":"ok","response":{}}]"#.into()),
//!     Frame::Text(r#"["1","2","echo:x","phx_reply",{"status":"ok","response":[1,2]}]"#.into()),
//! ]);
//! ```

pub mod client;
mod error;
pub mod message;
mod serializer;
pub mod server;

pub use error::Error;
pub use message::{Frame, Message, Payload, Reference, Reply, ServerMessage};
pub use serializer::Version;
