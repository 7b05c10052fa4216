//! What others send us: packets in, whole frames, sound and statistics out.
//!
//! One thread owns all of it (jitter buffers, frame assembly, the mix, the clocks), so nothing is
//! locked: packets and changes come in over one bounded lane in order, and every 10 ms a block of
//! sound is due. What it finds out goes back over another lane; statistics are a snapshot, of
//! which the newest wins.

mod audio;
mod count;
mod decode;
mod recording;
mod video;
mod view;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use snug_protocol::TrackId;
use snug_rtp::{NtpTime, RtpTime, Sequences};
use tokio::sync::{mpsc, watch};

use crate::Error;
use crate::output::{Outputs, Watched};
use crate::session::{RemoteTrack, Roster};
use crate::stats::{DropStats, PeerStats, ReceivedStats, Stats, TrackStats};
use recording::Recording;
use worker::Worker;

/// Packets waiting for the thread: half a second of thirty cameras. A thread that is further
/// behind has lost them anyway.
const LANE: usize = 4096;

/// Loudness of silence, in dBFS: less than the least step of 16 bits.
const SILENT_DBFS: f32 = -100.0;

/// A packet of a remote track.
#[derive(Debug)]
pub(crate) struct Packet {
    /// The section that it came in.
    pub(crate) mid: Arc<str>,
    /// When it came.
    pub(crate) at: Instant,
    /// Last of its frame.
    pub(crate) marker: bool,
    /// Sequence number.
    pub(crate) sequence: u16,
    /// Capture time in the codec's ticks.
    pub(crate) timestamp: u32,
    /// Stream.
    pub(crate) ssrc: u32,
    /// Payload.
    pub(crate) payload: Bytes,
    /// The sound of the packet before, once more.
    pub(crate) earlier: Option<Earlier>,
}

/// Sound that came in the packet after its own (RFC 2198).
#[derive(Debug)]
pub(crate) struct Earlier {
    /// Sequence number that its own packet has.
    pub(crate) sequence: u16,
    /// Capture time in the codec's ticks.
    pub(crate) timestamp: u32,
    /// Payload.
    pub(crate) payload: Bytes,
}

/// What the thread has to know.
enum Message {
    Packet(Packet),
    Bind(Arc<str>, RemoteTrack),
    Forget(TrackId),
    Watch(Vec<Watched>),
    WantKeyframe(TrackId),
    Report {
        ssrc: u32,
        ntp: NtpTime,
        rtp: RtpTime,
    },
    Stop,
}

/// What the thread found out.
#[derive(Debug)]
pub(crate) enum Report {
    /// The first whole frame of a track is here.
    FirstFrame(RemoteTrack),
    /// Nothing can be shown before a keyframe comes.
    KeyframeWanted {
        /// The section to ask on.
        mid: Arc<str>,
        /// The stream to ask for.
        ssrc: u32,
    },
    /// Packets of a picture should be sent again.
    Missing {
        /// The section to ask on.
        mid: Arc<str>,
        /// Their stream.
        ssrc: u32,
        /// Which.
        sequences: Sequences,
    },
    /// The recording ended before its time.
    RecordingStopped(snug_media::Error),
}

/// Received statistics of all tracks, each with its loudness in dBFS.
type Snapshot = BTreeMap<TrackId, (ReceivedStats, f32)>;

/// What the thread drops because somebody is too slow, by whose fault.
#[derive(Clone, Default)]
struct Dropped {
    recording: Arc<AtomicU64>,
    pictures: Arc<AtomicU64>,
}

/// Puts packets into the lane; dropped ones are counted.
#[derive(Clone)]
pub(crate) struct PacketLane {
    lane: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl PacketLane {
    /// Puts a packet in, unless the lane is full.
    pub(crate) fn put(&self, packet: Packet) {
        if let Err(TrySendError::Full(_)) = self.lane.try_send(Message::Packet(packet)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Receives all remote tracks. Dropping it ends the thread.
pub(crate) struct Subscriber {
    packets: PacketLane,
    snapshot: watch::Receiver<Snapshot>,
    dropped: Dropped,
    thread: Option<JoinHandle<Result<(), snug_media::Error>>>,
}

impl Subscriber {
    /// Starts the thread. With `record`, everything is recorded there; `outputs` look and
    /// listen.
    ///
    /// # Errors
    /// [`Error::Media`] when the recording cannot be written, before anything else happens.
    pub(crate) fn start(
        record: Option<&Path>,
        outputs: Outputs,
        reports: mpsc::Sender<Report>,
    ) -> Result<Self, Error> {
        let dropped = Dropped::default();
        let open = |path| Recording::open(path, Arc::clone(&dropped.recording));
        let recording = record.map(open).transpose()?;
        let (lane, messages) = sync_channel(LANE);
        let (snapshots, snapshot) = watch::channel(Snapshot::new());
        let pictures_dropped = Arc::clone(&dropped.pictures);
        let worker = Worker::new(recording, (outputs, pictures_dropped), reports, snapshots);
        let thread = crate::thread::spawn("snug-receive", move || worker.run(&messages))?;
        let packets = PacketLane {
            lane,
            dropped: Arc::default(),
        };
        Ok(Self {
            packets,
            snapshot,
            dropped,
            thread: Some(thread),
        })
    }

    /// Returns a lane for packets.
    pub(crate) fn packets(&self) -> PacketLane {
        self.packets.clone()
    }

    /// Says which track comes in section `mid` from now on.
    pub(crate) fn bind(&self, mid: &str, track: RemoteTrack) {
        self.send(Message::Bind(mid.into(), track));
    }

    /// Says that a track is gone.
    pub(crate) fn forget(&self, track: &TrackId) {
        self.send(Message::Forget(track.clone()));
    }

    /// Says which pictures are looked at from now on.
    pub(crate) fn watch(&self, watched: Vec<Watched>) {
        self.send(Message::Watch(watched));
    }

    /// Asks for a keyframe of a watched track.
    pub(crate) fn want_keyframe(&self, track: &TrackId) {
        self.send(Message::WantKeyframe(track.clone()));
    }

    /// Says when a stream was captured (RFC 3550 section 6.4.1).
    pub(crate) fn report(&self, ssrc: u32, ntp: NtpTime, rtp: RtpTime) {
        self.send(Message::Report { ssrc, ntp, rtp });
    }

    /// Lists the others with what was received of their tracks; of those that are `paused` nothing
    /// comes at present.
    pub(crate) fn stats(&self, roster: &Roster, paused: &BTreeSet<TrackId>) -> Stats {
        let snapshot = self.snapshot.borrow();
        let track = |(id, kind, active): (&TrackId, _, _), layer| {
            let known = snapshot.get(id).copied();
            let (received, level_dbfs) = known.unwrap_or((ReceivedStats::default(), SILENT_DBFS));
            TrackStats {
                track_id: id.clone(),
                kind,
                active,
                paused: paused.contains(id),
                layer,
                level_dbfs,
                received,
            }
        };
        let peers = roster.peers().map(|(id, peer)| PeerStats {
            peer_id: id.clone(),
            name: peer.name.clone(),
            state: peer.state,
            is_in_browser: peer.is_in_browser,
            tracks: peer
                .tracks()
                .map(|it| track(it, peer.layer(it.0)))
                .collect(),
        });
        Stats {
            peers: peers.collect(),
            dropped: DropStats {
                media_packets: self.packets.dropped.load(Ordering::Relaxed),
                pictures: self.dropped.pictures.load(Ordering::Relaxed),
                recording_frames: self.dropped.recording.load(Ordering::Relaxed),
                ..DropStats::default()
            },
            ..Stats::default()
        }
    }

    /// Ends the thread and finishes the recording.
    ///
    /// # Errors
    /// Why the recording could not be finished.
    pub(crate) async fn stop(mut self) -> Result<(), snug_media::Error> {
        self.send(Message::Stop);
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        match tokio::task::spawn_blocking(move || thread.join()).await {
            Ok(Ok(result)) => result,
            _ => {
                tracing::error!("the receiving thread failed");
                Ok(())
            }
        }
    }

    /// Waits for a place, at most while the thread takes one packet; without a thread there is
    /// nobody to tell.
    fn send(&self, message: Message) {
        if self.packets.lane.send(message).is_err() {
            tracing::debug!("the receiving thread is gone");
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // A full lane ends too: the thread notices that nobody holds the other end.
        drop(self.packets.lane.try_send(Message::Stop));
    }
}
