//! Cameras from recordings: what real drivers answered, played back to the rules.
//!
//! The formats of each were written down from the drivers named; a test changes what it is about.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};
use std::time::Duration;

use super::node::{Capability, Filled, Fraction, Intervals, Layout, Node, Ready, Sizes, Steps};

/// A driver's answers, and what it was asked.
pub(super) struct Recorded {
    offered: Vec<Offered>,
    /// What stands set.
    pub(super) layout: Layout,
    interval: Option<Fraction>,
    /// Has the last word on what a driver answers to a format.
    pub(super) on_set: fn(asked: Layout, before: Layout) -> io::Result<Layout>,
    /// Has the last word on what it answers to an interval, once the format is set.
    pub(super) on_interval: fn(asked: Fraction, format: Layout) -> io::Result<Option<Fraction>>,
    /// What beginning to stream is answered with, first to last; fine when there is none left.
    pub(super) on_start: VecDeque<io::Result<()>>,
    /// What waiting and taking come to, first to last; silence when there is none left.
    pub(super) events: VecDeque<Event>,
    /// What asking who it is comes to, once it has been silent.
    pub(super) is_gone: bool,
    taken: Vec<Vec<u8>>,
    /// Whether the device is still open, for whoever dropped it.
    pub(super) open: Arc<AtomicBool>,
    /// Buffers that the driver has to fill.
    pub(super) queued: Arc<AtomicI32>,
}

/// One format, its sizes, and the intervals of each size.
pub(super) struct Offered {
    pub(super) fourcc: [u8; 4],
    pub(super) sizes: Vec<(Sizes, Vec<Intervals>)>,
}

/// What a running camera does next.
pub(super) enum Event {
    /// Gives a picture: its bytes, whether the driver calls it damaged, its time in ms.
    Picture(Vec<u8>, bool, u64),
    /// Wakes us for nothing.
    Nothing,
    /// Is pulled out.
    Gone,
    /// Fails to give what it promised.
    Fails(i32),
}

pub(super) fn fraction(numerator: u32, denominator: u32) -> Fraction {
    Fraction {
        numerator,
        denominator,
    }
}

fn discrete(width: u32, height: u32, rates: &[u32]) -> (Sizes, Vec<Intervals>) {
    let intervals = rates
        .iter()
        .map(|&rate| Intervals::Discrete(fraction(1, rate)));
    (Sizes::Discrete(width, height), intervals.collect())
}

/// How a driver lays out a format that it takes as asked.
pub(super) fn plain(fourcc: [u8; 4], width: u32, height: u32) -> Layout {
    Layout {
        fourcc,
        width,
        height,
        stride: match &fourcc {
            b"YUYV" | b"UYVY" => 2 * width,
            b"RGB3" => 3 * width,
            b"MJPG" => 0,
            _ => width,
        },
        whole: true,
        full_range: false,
    }
}

impl Recorded {
    pub(super) fn new(offered: Vec<Offered>, layout: Layout, interval: Option<Fraction>) -> Self {
        Self {
            offered,
            layout,
            interval,
            on_set: |asked, _| Ok(asked),
            on_interval: |asked, _| Ok(Some(asked)),
            on_start: VecDeque::new(),
            events: VecDeque::new(),
            is_gone: false,
            taken: Vec::new(),
            open: Arc::new(AtomicBool::new(true)),
            queued: Arc::default(),
        }
    }

    /// uvcvideo, a USB 2 webcam (Logitech C920): raw pictures only small or slow, JPEG at any size.
    pub(super) fn uvc() -> Self {
        let yuyv = vec![
            discrete(640, 480, &[30, 24, 20, 15, 10, 5]),
            discrete(160, 90, &[30, 24, 20, 15, 10, 5]),
            discrete(320, 240, &[30, 24, 20, 15, 10, 5]),
            discrete(640, 360, &[30, 24, 20, 15, 10, 5]),
            discrete(800, 600, &[24, 20, 15, 10, 5]),
            discrete(1280, 720, &[10, 5]),
            discrete(1920, 1080, &[5]),
        ];
        let mjpg = vec![
            discrete(640, 480, &[30, 24, 20, 15, 10, 5]),
            discrete(320, 240, &[30, 24, 20, 15, 10, 5]),
            discrete(640, 360, &[30, 24, 20, 15, 10, 5]),
            discrete(1280, 720, &[60, 30, 24, 20, 15, 10, 5]),
            discrete(1920, 1080, &[30, 24, 20, 15, 10, 5]),
        ];
        let formats = [(*b"YUYV", yuyv), (*b"H264", Vec::new()), (*b"MJPG", mjpg)];
        let offered = formats.map(|(fourcc, sizes)| Offered { fourcc, sizes });
        let state = plain(*b"YUYV", 640, 480);
        Self::new(offered.into(), state, Some(fraction(1, 30)))
    }

    /// vivid of Linux 6.1, the kernel's test camera: what is large is slow, one rate is 2/25. Put
    /// into the kind of state that some cameras power on in: a format that nobody reads.
    pub(super) fn vivid() -> Self {
        let rates = [
            (1, 1),
            (1, 2),
            (1, 4),
            (1, 5),
            (1, 10),
            (2, 25),
            (1, 15),
            (1, 25),
            (1, 30),
            (1, 40),
            (1, 50),
            (1, 60),
        ];
        let interval = |&(n, d): &(u32, u32)| Intervals::Discrete(fraction(n, d));
        let sizes = [
            (320, 180),
            (640, 360),
            (640, 480),
            (1280, 720),
            (1920, 1080),
            (3840, 2160),
        ];
        let sizes = || {
            let sizes = sizes.iter().enumerate().map(|(n, &(width, height))| {
                let intervals = rates[..12 - 2 * n].iter().map(interval).collect();
                (Sizes::Discrete(width, height), intervals)
            });
            sizes.collect()
        };
        let fourccs = [*b"RGBP", *b"AR15", *b"YUYV", *b"NV12", *b"YU12", *b"GREY"];
        let offered = fourccs.map(|fourcc| Offered {
            fourcc,
            sizes: sizes(),
        });
        Self::new(
            offered.into(),
            plain(*b"RGBP", 640, 360),
            Some(fraction(2, 25)),
        )
    }

    /// v4l2loopback and many capture chips: any size within bounds, any rate within bounds.
    pub(super) fn stepwise() -> Self {
        let steps = |min, max, step| Steps { min, max, step };
        let sizes = Sizes::Stepwise {
            width: steps(48, 1920, 16),
            height: steps(32, 1200, 8),
        };
        let rates = Intervals::Between(fraction(1, 60), fraction(1, 1));
        let offered = Offered {
            fourcc: *b"NV12",
            sizes: vec![(sizes, vec![rates])],
        };
        Self::new(vec![offered], plain(*b"NV12", 640, 480), None)
    }

    fn sizes(&self, fourcc: [u8; 4]) -> &[(Sizes, Vec<Intervals>)] {
        let format = self.offered.iter().find(|one| one.fourcc == fourcc);
        format.map_or(&[], |one| &one.sizes)
    }
}

/// What every list ends with.
fn no_more() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}

impl Node for Recorded {
    fn capability(&self) -> io::Result<Capability> {
        if self.is_gone {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        Ok(Capability {
            card: "HD Pro Webcam C920".into(),
            bus: "usb-0000:00:14.0-2".into(),
            captures: true,
        })
    }

    fn format_offered(&self, index: u32) -> io::Result<[u8; 4]> {
        self.offered
            .get(index as usize)
            .map(|one| one.fourcc)
            .ok_or_else(no_more)
    }

    fn sizes_offered(&self, fourcc: [u8; 4], index: u32) -> io::Result<Sizes> {
        self.sizes(fourcc)
            .get(index as usize)
            .map(|(sizes, _)| *sizes)
            .ok_or_else(no_more)
    }

    fn intervals_offered(
        &self,
        fourcc: [u8; 4],
        (width, height): (u32, u32),
        index: u32,
    ) -> io::Result<Intervals> {
        let has = |sizes: &Sizes| match *sizes {
            Sizes::Discrete(w, h) => (w, h) == (width, height),
            Sizes::Stepwise {
                width: w,
                height: h,
            } => w.nearest(width) == width && h.nearest(height) == height,
        };
        let size = self.sizes(fourcc).iter().find(|(sizes, _)| has(sizes));
        let intervals = size.map_or(&[][..], |(_, intervals)| intervals);
        intervals.get(index as usize).copied().ok_or_else(no_more)
    }

    fn set_format(&mut self, fourcc: [u8; 4], (width, height): (u32, u32)) -> io::Result<Layout> {
        self.layout = (self.on_set)(plain(fourcc, width, height), self.layout)?;
        Ok(self.layout)
    }

    fn set_interval(&mut self, interval: Fraction) -> io::Result<Option<Fraction>> {
        self.interval = (self.on_interval)(interval, self.layout)?;
        Ok(self.interval)
    }

    fn start(&mut self, buffers: u32) -> io::Result<()> {
        let answer = self.on_start.pop_front().unwrap_or(Ok(()));
        self.queued.store(buffers as i32, Relaxed);
        answer
    }

    fn wait(&self, _: Duration) -> io::Result<Ready> {
        Ok(match self.events.front() {
            Some(Event::Gone) => Ready::Gone,
            Some(_) => Ready::Picture,
            None => Ready::Nothing,
        })
    }

    fn take(&mut self) -> io::Result<Option<Filled>> {
        // Pictures of one moment come together; another moment is another wait.
        match self.events.pop_front() {
            Some(Event::Picture(bytes, damaged, at_ms)) => {
                self.queued.fetch_sub(1, Relaxed);
                let used = bytes.len();
                self.taken.push(bytes);
                Ok(Some(Filled {
                    index: self.taken.len() - 1,
                    used,
                    damaged,
                    at: Some(Duration::from_millis(at_ms)),
                }))
            }
            Some(Event::Fails(code)) => Err(io::Error::from_raw_os_error(code)),
            Some(Event::Nothing) | None => Ok(None),
            Some(gone @ Event::Gone) => {
                self.events.push_front(gone);
                Ok(None)
            }
        }
    }

    fn bytes(&self, filled: &Filled) -> &[u8] {
        &self.taken[filled.index][..filled.used]
    }

    fn give_back(&mut self, _: Filled) -> io::Result<()> {
        self.queued.fetch_add(1, Relaxed);
        Ok(())
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.open.store(false, Relaxed);
    }
}
