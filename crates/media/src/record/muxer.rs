//! WebM (Matroska, RFC 9559): blocks of coded media into one file.
//!
//! Rules.
//! - A reader who opens the file at any moment can play what is there: sizes are unknown until they
//!   are known, and what a finished file has in front (index, duration) gets its room at the start.
//! - Nothing is held back for another track, and a track may be added when its first block comes.
//!   These two are why this is not libwebm, which keeps all sound in memory until a picture arrives.
//! - A failed write ends at a block: the file is cut back to the last whole flush and finished as far
//!   as the disk allows.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use super::ebml;

/// Room for the index of the index, and for the tracks. Two tracks take under 300 bytes.
const SEEK_ROOM: usize = 96;
const TRACKS_ROOM: usize = 512;
/// Room for the duration: identifier, size and an 8 byte number.
const DURATION_ROOM: usize = 11;
/// A cluster is closed after this long, so that a player can seek that finely.
const CLUSTER_MS_MAX: u64 = 5_000;
/// A keyframe opens a new cluster, but not more often than this.
const CLUSTER_MS_MIN: u64 = 500;
/// Media is handed to the operating system at least this often...
const FLUSH_MS: u64 = 500;
/// ...and whenever this much has gathered.
const FLUSH_BYTES: usize = 64 * 1024;
/// Entries of the index: with one in 500 ms at most, nine hours; later ones are left out.
const CUES_MAX: usize = 65_536;

mod element {
    pub const EBML: u32 = 0x1A45_DFA3;
    pub const EBML_VERSION: u32 = 0x4286;
    pub const EBML_READ_VERSION: u32 = 0x42F7;
    pub const EBML_MAX_ID_LENGTH: u32 = 0x42F2;
    pub const EBML_MAX_SIZE_LENGTH: u32 = 0x42F3;
    pub const DOC_TYPE: u32 = 0x4282;
    pub const DOC_TYPE_VERSION: u32 = 0x4287;
    pub const DOC_TYPE_READ_VERSION: u32 = 0x4285;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114D_9B74;
    pub const SEEK: u32 = 0x4DBB;
    pub const SEEK_ID: u32 = 0x53AB;
    pub const SEEK_POSITION: u32 = 0x53AC;
    pub const INFO: u32 = 0x1549_A966;
    pub const TIMESTAMP_SCALE: u32 = 0x002A_D7B1;
    pub const DURATION: u32 = 0x4489;
    pub const MUXING_APP: u32 = 0x4D80;
    pub const WRITING_APP: u32 = 0x5741;
    pub const TRACKS: u32 = 0x1654_AE6B;
    pub const TRACK_ENTRY: u32 = 0xAE;
    pub const TRACK_NUMBER: u32 = 0xD7;
    pub const TRACK_UID: u32 = 0x73C5;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const FLAG_LACING: u32 = 0x9C;
    pub const LANGUAGE: u32 = 0x0022_B59C;
    pub const CODEC_ID: u32 = 0x86;
    pub const CODEC_PRIVATE: u32 = 0x63A2;
    pub const CODEC_DELAY: u32 = 0x56AA;
    pub const SEEK_PRE_ROLL: u32 = 0x56BB;
    pub const VIDEO: u32 = 0xE0;
    pub const PIXEL_WIDTH: u32 = 0xB0;
    pub const PIXEL_HEIGHT: u32 = 0xBA;
    pub const AUDIO: u32 = 0xE1;
    pub const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub const CHANNELS: u32 = 0x9F;
    pub const CLUSTER: u32 = 0x1F43_B675;
    pub const TIMESTAMP: u32 = 0xE7;
    pub const SIMPLE_BLOCK: u32 = 0xA3;
    pub const CUES: u32 = 0x1C53_BB6B;
    pub const CUE_POINT: u32 = 0xBB;
    pub const CUE_TIME: u32 = 0xB3;
    pub const CUE_TRACK_POSITIONS: u32 = 0xB7;
    pub const CUE_TRACK: u32 = 0xF7;
    pub const CUE_CLUSTER_POSITION: u32 = 0xF1;
}

/// Where a file goes: something that can be written, gone back in, and cut.
pub trait Store: Write + Seek {
    /// Cuts everything behind `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl Store for File {
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// What a track holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// VP8 of this size in pixels.
    Vp8 { width: u32, height: u32 },
    /// Opus, 48 kHz mono, whose decoder output is late by so many samples.
    Opus { pre_skip: u16 },
}

/// Writes one WebM file.
#[derive(Debug)]
pub struct Muxer<S: Store> {
    store: S,
    /// Not yet given to the store; always ends with a whole block.
    buffer: Vec<u8>,
    /// Bytes in the store.
    stored: u64,
    places: Places,
    tracks: Vec<Coding>,
    cluster: Option<Cluster>,
    cues: Vec<Cue>,
    flushed_ms: u64,
    end_ms: u64,
    failed: bool,
    finished: bool,
}

/// Where the parts stand that are filled in later.
#[derive(Debug, Default)]
struct Places {
    segment_size: u64,
    segment_start: u64,
    seek_head: u64,
    info: u64,
    duration: u64,
    tracks: u64,
}

#[derive(Debug)]
struct Cluster {
    start: u64,
    size_at: u64,
    start_ms: u64,
}

#[derive(Debug)]
struct Cue {
    at_ms: u64,
    track: u8,
    cluster: u64,
}

impl<S: Store> Muxer<S> {
    /// Writes the head of the file at once, so that a full disk shows before a call starts.
    pub fn new(store: S) -> io::Result<Self> {
        let mut muxer = Self {
            store,
            buffer: Vec::with_capacity(2 * FLUSH_BYTES),
            stored: 0,
            places: Places::default(),
            tracks: Vec::new(),
            cluster: None,
            cues: Vec::new(),
            flushed_ms: 0,
            end_ms: 0,
            failed: false,
            finished: false,
        };
        muxer.write_head();
        muxer.flush()?;
        Ok(muxer)
    }

    /// Adds a track, before or between blocks, and gives its number.
    pub fn add_track(&mut self, coding: Coding) -> io::Result<u8> {
        self.tracks.push(coding);
        let tracks = self.tracks_element();
        self.overwrite(self.places.tracks, &tracks)?;
        Ok(self.tracks.len() as u8)
    }

    /// Adds a block of `track` at `at_ms` that lasts about `duration_ms`.
    ///
    /// Blocks should come in the order of their times; one from before the current cluster is moved
    /// to its start.
    pub fn write_block(
        &mut self,
        track: u8,
        data: &[u8],
        at_ms: u64,
        duration_ms: u64,
        keyframe: bool,
    ) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        let is_video = matches!(
            self.tracks.get(usize::from(track).wrapping_sub(1)),
            Some(Coding::Vp8 { .. })
        );
        if self.needs_cluster(at_ms, is_video && keyframe) {
            self.open_cluster(at_ms)?;
            // Seeking to sound alone is only of use where there is no picture.
            if (is_video && keyframe) || self.tracks.len() == 1 {
                self.add_cue(at_ms, track);
            }
        }
        let start_ms = self.cluster.as_ref().map_or(0, |cluster| cluster.start_ms);
        let offset = at_ms.saturating_sub(start_ms).min(i16::MAX as u64) as u16;
        ebml::id(&mut self.buffer, element::SIMPLE_BLOCK);
        ebml::size(&mut self.buffer, data.len() as u64 + 4);
        self.buffer.push(0x80 | track);
        self.buffer.extend_from_slice(&offset.to_be_bytes());
        self.buffer.push(if keyframe { 0x80 } else { 0 });
        self.buffer.extend_from_slice(data);
        self.end_ms = self.end_ms.max(at_ms + duration_ms);
        if self.buffer.len() >= FLUSH_BYTES || at_ms >= self.flushed_ms + FLUSH_MS {
            self.flushed_ms = at_ms;
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the file: sizes, duration and index. After a failed write, as much as the disk allows.
    pub fn finish(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        if self.failed {
            self.store.seek(SeekFrom::Start(self.stored))?;
        } else {
            self.flush()?;
        }
        self.close_cluster()?;
        let cues_at = self.write_cues();
        let segment = ebml::wide_size(self.stored - self.places.segment_start);
        self.overwrite(self.places.segment_size, &segment)?;
        let mut duration = Vec::new();
        ebml::float(&mut duration, element::DURATION, self.end_ms as f64);
        self.overwrite(self.places.duration, &duration)?;
        let seek_head = self.seek_head_element(cues_at);
        self.overwrite(self.places.seek_head, &seek_head)?;
        self.store.flush()
    }

    fn write_head(&mut self) {
        let out = &mut self.buffer;
        ebml::master(out, element::EBML, |out| {
            ebml::uint(out, element::EBML_VERSION, 1);
            ebml::uint(out, element::EBML_READ_VERSION, 1);
            ebml::uint(out, element::EBML_MAX_ID_LENGTH, 4);
            ebml::uint(out, element::EBML_MAX_SIZE_LENGTH, 8);
            ebml::binary(out, element::DOC_TYPE, b"webm");
            // Version 4 has the codec delay that Opus needs; version 2 suffices to play.
            ebml::uint(out, element::DOC_TYPE_VERSION, 4);
            ebml::uint(out, element::DOC_TYPE_READ_VERSION, 2);
        });
        ebml::id(out, element::SEGMENT);
        self.places.segment_size = out.len() as u64;
        out.extend_from_slice(&ebml::UNKNOWN_SIZE);
        self.places.segment_start = out.len() as u64;
        self.places.seek_head = out.len() as u64;
        ebml::void(out, SEEK_ROOM);
        self.places.info = out.len() as u64;
        let mut info = Vec::new();
        ebml::uint(&mut info, element::TIMESTAMP_SCALE, 1_000_000);
        ebml::binary(&mut info, element::MUXING_APP, b"snug");
        ebml::binary(&mut info, element::WRITING_APP, b"snug");
        let duration_in_info = info.len() as u64;
        ebml::void(&mut info, DURATION_ROOM);
        ebml::binary(out, element::INFO, &info);
        let info_start = out.len() as u64 - info.len() as u64;
        self.places.duration = info_start + duration_in_info;
        self.places.tracks = out.len() as u64;
        ebml::void(out, TRACKS_ROOM);
    }

    /// Makes the tracks element, filled up to its room.
    fn tracks_element(&self) -> Vec<u8> {
        let mut out = Vec::new();
        ebml::master(&mut out, element::TRACKS, |out| {
            for (index, coding) in self.tracks.iter().enumerate() {
                ebml::master(out, element::TRACK_ENTRY, |out| {
                    write_track_entry(out, index as u64 + 1, *coding);
                });
            }
        });
        let rest = TRACKS_ROOM - out.len();
        ebml::void(&mut out, rest);
        out
    }

    fn seek_head_element(&self, cues_at: Option<u64>) -> Vec<u8> {
        let parts = [
            (element::INFO, Some(self.places.info)),
            (element::TRACKS, Some(self.places.tracks)),
            (element::CUES, cues_at),
        ];
        let mut out = Vec::new();
        ebml::master(&mut out, element::SEEK_HEAD, |out| {
            for (part, at) in parts {
                let Some(at) = at else { continue };
                ebml::master(out, element::SEEK, |out| {
                    let mut part_id = Vec::new();
                    ebml::id(&mut part_id, part);
                    ebml::binary(out, element::SEEK_ID, &part_id);
                    let position = at - self.places.segment_start;
                    ebml::uint(out, element::SEEK_POSITION, position);
                });
            }
        });
        let rest = SEEK_ROOM - out.len();
        ebml::void(&mut out, rest);
        out
    }

    fn needs_cluster(&self, at_ms: u64, video_keyframe: bool) -> bool {
        let Some(cluster) = &self.cluster else {
            return true;
        };
        let age_ms = at_ms.saturating_sub(cluster.start_ms);
        age_ms >= CLUSTER_MS_MAX || (video_keyframe && age_ms >= CLUSTER_MS_MIN)
    }

    fn open_cluster(&mut self, at_ms: u64) -> io::Result<()> {
        if self.cluster.is_some() {
            self.flush()?;
            self.close_cluster()?;
        }
        let start = self.stored + self.buffer.len() as u64;
        ebml::id(&mut self.buffer, element::CLUSTER);
        let size_at = self.stored + self.buffer.len() as u64;
        self.buffer.extend_from_slice(&ebml::UNKNOWN_SIZE);
        ebml::uint(&mut self.buffer, element::TIMESTAMP, at_ms);
        self.cluster = Some(Cluster {
            start,
            size_at,
            start_ms: at_ms,
        });
        Ok(())
    }

    /// Writes the size of the current cluster, all of which is in the store.
    fn close_cluster(&mut self) -> io::Result<()> {
        let Some(cluster) = self.cluster.take() else {
            return Ok(());
        };
        let content_start = cluster.size_at + ebml::UNKNOWN_SIZE.len() as u64;
        // After a failed write the cluster may not have made it into the store at all.
        let Some(size) = self.stored.checked_sub(content_start) else {
            return Ok(());
        };
        self.overwrite(cluster.size_at, &ebml::wide_size(size))
    }

    fn add_cue(&mut self, at_ms: u64, track: u8) {
        let Some(cluster) = &self.cluster else { return };
        if self.cues.len() < CUES_MAX {
            self.cues.push(Cue {
                at_ms,
                track,
                cluster: cluster.start,
            });
        }
    }

    /// Appends the index; without it, when there is nothing to list or no room.
    fn write_cues(&mut self) -> Option<u64> {
        let start = self.places.segment_start;
        let stored = self.stored;
        self.cues.retain(|cue| cue.cluster < stored);
        if self.cues.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        ebml::master(&mut out, element::CUES, |out| {
            for cue in &self.cues {
                ebml::master(out, element::CUE_POINT, |out| {
                    ebml::uint(out, element::CUE_TIME, cue.at_ms);
                    ebml::master(out, element::CUE_TRACK_POSITIONS, |out| {
                        ebml::uint(out, element::CUE_TRACK, cue.track.into());
                        ebml::uint(out, element::CUE_CLUSTER_POSITION, cue.cluster - start);
                    });
                });
            }
        });
        self.buffer = out;
        self.flush().is_ok().then_some(stored)
    }

    /// Gives the buffer to the store; on failure cuts the store back to where it was.
    fn flush(&mut self) -> io::Result<()> {
        let result = self
            .store
            .write_all(&self.buffer)
            .and_then(|()| self.store.flush());
        if let Err(error) = result {
            self.failed = true;
            self.buffer.clear();
            // The first error is the one to tell; a file that cannot be cut still plays.
            if let Err(again) = self.store.truncate(self.stored) {
                tracing::debug!(%again, "a recording could not be cut back");
            }
            return Err(error);
        }
        self.stored += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes over something that is in the store already, then goes back to its end.
    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.store.seek(SeekFrom::Start(at))?;
        self.store.write_all(bytes)?;
        self.store.seek(SeekFrom::Start(self.stored))?;
        Ok(())
    }
}

fn write_track_entry(out: &mut Vec<u8>, number: u64, coding: Coding) {
    ebml::uint(out, element::TRACK_NUMBER, number);
    ebml::uint(out, element::TRACK_UID, number);
    ebml::uint(out, element::FLAG_LACING, 0);
    ebml::binary(out, element::LANGUAGE, b"und");
    match coding {
        Coding::Vp8 { width, height } => {
            ebml::uint(out, element::TRACK_TYPE, 1);
            ebml::binary(out, element::CODEC_ID, b"V_VP8");
            ebml::master(out, element::VIDEO, |out| {
                ebml::uint(out, element::PIXEL_WIDTH, width.into());
                ebml::uint(out, element::PIXEL_HEIGHT, height.into());
            });
        }
        Coding::Opus { pre_skip } => {
            ebml::uint(out, element::TRACK_TYPE, 2);
            ebml::binary(out, element::CODEC_ID, b"A_OPUS");
            ebml::binary(out, element::CODEC_PRIVATE, &opus_head(pre_skip));
            let delay_nanos = u64::from(pre_skip) * 1_000_000_000 / 48_000;
            ebml::uint(out, element::CODEC_DELAY, delay_nanos);
            // 80 ms until a decoder has settled after a jump (RFC 7845 section 4.6).
            ebml::uint(out, element::SEEK_PRE_ROLL, 80_000_000);
            ebml::master(out, element::AUDIO, |out| {
                ebml::float(out, element::SAMPLING_FREQUENCY, 48_000.0);
                ebml::uint(out, element::CHANNELS, 1);
            });
        }
    }
}

/// Makes the identification header of RFC 7845 section 5.1: mono, 48 kHz, no gain, mapping family 0.
fn opus_head(pre_skip: u16) -> [u8; 19] {
    let mut head = *b"OpusHead\x01\x01\0\0\0\0\0\0\0\0\0";
    head[10..12].copy_from_slice(&pre_skip.to_le_bytes());
    head[12..16].copy_from_slice(&48_000u32.to_le_bytes());
    head
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A disk with so many bytes on it.
    #[derive(Debug)]
    struct Disk {
        data: Cursor<Vec<u8>>,
        room: u64,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let left = self.room.saturating_sub(self.data.position());
            if left == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let bytes = &bytes[..bytes.len().min(left as usize)];
            self.data.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.data.seek(to)
        }
    }

    impl Store for Disk {
        fn truncate(&mut self, length: u64) -> io::Result<()> {
            self.data.get_mut().truncate(length as usize);
            Ok(())
        }
    }

    fn muxer(room: u64) -> Muxer<Disk> {
        Muxer::new(Disk {
            data: Cursor::new(Vec::new()),
            room,
        })
        .unwrap()
    }

    #[test]
    fn the_opus_head_is_that_of_rfc_7845() {
        let head = opus_head(312);
        assert_eq!(&head[..8], b"OpusHead");
        assert_eq!(head[8..12], [1, 1, 0x38, 0x01]);
        assert_eq!(head[12..], [0x80, 0xBB, 0, 0, 0, 0, 0]);
    }

    /// Takes elements apart, all of which must be whole.
    fn elements(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
        let mut found = Vec::new();
        while let Some(first) = bytes.first() {
            let (id, rest) = bytes.split_at(first.leading_zeros() as usize + 1);
            let (size, rest) = rest.split_at(rest[0].leading_zeros() as usize + 1);
            let number = |bytes: &[u8]| bytes.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
            let size = number(size) & !(1 << (7 * size.len()));
            let (data, rest) = rest.split_at(size as usize);
            found.push((number(id) as u32, data));
            bytes = rest;
        }
        found
    }

    #[test]
    fn a_full_disk_leaves_whole_blocks_and_a_finished_head() {
        let mut muxer = muxer(10_000);
        let track = muxer.add_track(Coding::Opus { pre_skip: 312 }).unwrap();
        let failed_at = (0..).find(|n| {
            muxer
                .write_block(track, &[7; 80], n * 20, 20, true)
                .is_err()
        });
        assert!(failed_at.is_some_and(|n| n > 50));
        assert!(muxer.write_block(track, &[7; 80], 9_999, 20, true).is_err());
        muxer.finish().unwrap();
        let bytes = muxer.store.data.into_inner();
        let size_at = muxer.places.segment_size as usize;
        let size = ebml::wide_size(bytes.len() as u64 - muxer.places.segment_start);
        assert_eq!(bytes[size_at..size_at + 8], size);
        let parts = elements(&bytes[muxer.places.segment_start as usize..]);
        let cluster = parts
            .iter()
            .find(|(id, _)| *id == element::CLUSTER)
            .unwrap();
        let blocks = elements(cluster.1);
        assert!(blocks.len() > 50 && blocks[1..].iter().all(|(_, data)| data.len() == 84));
    }

    #[test]
    fn a_disk_without_room_for_the_head_is_an_error_at_once() {
        let disk = Disk {
            data: Cursor::new(Vec::new()),
            room: 100,
        };
        assert_eq!(
            Muxer::new(disk).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }

    #[test]
    fn the_room_in_front_is_enough_and_finishing_twice_is_fine() {
        let mut muxer = muxer(u64::MAX);
        let sound = muxer
            .add_track(Coding::Opus { pre_skip: u16::MAX })
            .unwrap();
        let picture = muxer
            .add_track(Coding::Vp8 {
                width: 4096,
                height: 4096,
            })
            .unwrap();
        for n in 0..40_000 {
            muxer
                .write_block(sound, &[1; 3], n * 500, 20, true)
                .unwrap();
            muxer
                .write_block(picture, &[2; 3], n * 500, 33, true)
                .unwrap();
        }
        muxer.finish().unwrap();
        muxer.finish().unwrap();
        assert!(muxer.cues.len() <= CUES_MAX);
    }
}
