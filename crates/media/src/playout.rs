//! From packets to what is seen and heard: order, timing, repair, one timeline, one mix.
//!
//! All of it is plain data behind `&mut self`; the time comes in as an argument. A participant drives
//! it like this: packets go into an [`AudioJitterBuffer`] or a [`VideoAssembler`] as they arrive; a
//! [`BlockPacer`] says when 10 ms of sound are due; each voice is pulled, added to the [`Mixer`], and
//! its position told to the [`PlayoutClock`], which then says when each picture belongs on screen.

mod assembler;
mod clock;
mod jitter;
mod margin;
mod mixer;
mod pacer;
mod stretch;

pub use assembler::{
    AssemblerConfig, AssemblerCounters, Output as AssemblerOutput, VideoAssembler, VideoFrame,
};
pub use clock::{PlayoutClock, TrackClock};
pub use jitter::{AudioJitterBuffer, JitterConfig, JitterCounters};
pub use mixer::{Mixer, Voice};
pub use pacer::BlockPacer;
