//! Finds the format that comes nearest to a wish, and believes only what the driver answers.
//!
//! What a driver offers is put in order of how well it serves. Then each is asked for, best first,
//! until the answer is as good as what was promised; a driver that gives something else is judged by
//! that. So a camera in an odd state when it is plugged in, one that gives YUYV for MJPG, or one
//! with rates like 2/25 s, all end in a format that is really there.

use std::io;

use super::node::{Fraction, Intervals, Layout, Node, Sizes, problem_at_open};
use super::{CameraFormat, CameraWish, PixelFormat};
use crate::error::DeviceProblem;

/// Largest side of a picture: VP8's encoder takes no more.
const SIDE_MAX: u32 = 4096;

/// Answers read of one list. Drivers offer tens; one that never ends its list must end here.
const ANSWERS_MAX: u32 = 256;

/// Formats asked for before the best answer so far has to do. Each costs a few milliseconds.
const TRIES_MAX: usize = 12;

/// Sizes to look at where a driver takes any, beside the one wished for.
const USUAL_SIZES: [(u32, u32); 4] = [(1280, 720), (640, 480), (640, 360), (320, 240)];

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Agreed {
    pub(super) format: CameraFormat,
    pub(super) layout: Layout,
}

impl Agreed {
    /// What a driver would answer that takes a format as it is.
    pub(super) fn plain(format: CameraFormat) -> Self {
        Self {
            format,
            layout: Layout {
                fourcc: format.pixels.fourcc(),
                width: format.width,
                height: format.height,
                stride: 0,
                whole: true,
                full_range: false,
            },
        }
    }
}

/// Something that the driver says it can do.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Offer {
    pixels: PixelFormat,
    size: (u32, u32),
    /// `None` when the driver does not tell.
    interval: Option<Fraction>,
}

/// Sets the format nearest to `wish`, in `only` that way of coding pixels if given.
///
/// # Errors
/// `Format` when the node gives nothing that is understood, else what the driver said to all of it,
/// or to any of it when the device is busy, denied or gone.
pub(super) fn negotiate(
    node: &mut dyn Node,
    wish: CameraWish,
    only: Option<PixelFormat>,
) -> Result<Agreed, DeviceProblem> {
    let mut offers = all_offers(node, wish);
    offers.retain(|offer| only.is_none_or(|only| only == offer.pixels));
    offers.sort_by(|a, b| a.cost(wish).total_cmp(&b.cost(wish)));
    let mut best: Option<(f64, Offer, Agreed)> = None;
    let mut set_last = false;
    let mut failure = DeviceProblem::Format;
    for offer in offers.into_iter().take(TRIES_MAX) {
        let promised = offer.cost(wish);
        if best.as_ref().is_some_and(|(cost, ..)| *cost <= promised) {
            break;
        }
        set_last = false;
        let agreed = match ask(node, offer, wish) {
            Ok(Some(agreed)) => agreed,
            Ok(None) => continue,
            Err(problem @ DeviceProblem::Backend(_)) => {
                failure = problem;
                continue;
            }
            Err(problem) => return Err(problem),
        };
        if only.is_some_and(|only| only != agreed.format.pixels) {
            continue;
        }
        let cost = cost(&agreed.format, wish);
        if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
            best = Some((cost, offer, agreed));
            set_last = true;
        }
        if cost <= promised {
            break;
        }
    }
    let (_, offer, agreed) = best.ok_or(failure)?;
    if set_last {
        return Ok(agreed);
    }
    // Something worse was tried since.
    ask(node, offer, wish)?.ok_or(DeviceProblem::Format)
}

/// Lists what a node says it offers and we understand: the highest rate of each size.
pub(super) fn formats(node: &dyn Node) -> Vec<CameraFormat> {
    let fastest = CameraWish {
        fps: 240,
        ..CameraWish::default()
    };
    let mut formats: Vec<CameraFormat> = Vec::new();
    for offer in all_offers(node, fastest) {
        let fps = offer.interval.and_then(Fraction::fps).unwrap_or(0.0);
        let same = |one: &&mut CameraFormat| {
            one.pixels == offer.pixels && (one.width, one.height) == offer.size
        };
        match formats.iter_mut().find(same) {
            Some(known) => known.fps = known.fps.max(fps),
            None => formats.push(CameraFormat {
                pixels: offer.pixels,
                width: offer.size.0,
                height: offer.size.1,
                fps,
            }),
        }
    }
    formats
}

/// Says whether a node offers anything that is understood.
pub(super) fn is_usable(node: &dyn Node) -> bool {
    answers(|index| node.format_offered(index))
        .into_iter()
        .any(|fourcc| PixelFormat::from_fourcc(fourcc).is_some())
}

/// Asks for an offer; `None` when the driver refuses it or gives something unusable.
fn ask(
    node: &mut dyn Node,
    offer: Offer,
    wish: CameraWish,
) -> Result<Option<Agreed>, DeviceProblem> {
    let layout = match node.set_format(offer.pixels.fourcc(), offer.size) {
        Ok(layout) => layout,
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(None),
        Err(error) => return Err(problem_at_open(&error)),
    };
    let wanted = offer.interval.unwrap_or(Fraction {
        numerator: 1,
        denominator: wish.fps.max(1),
    });
    let interval = node
        .set_interval(wanted)
        .map_err(|error| problem_at_open(&error))?;
    let Some(pixels) = PixelFormat::from_fourcc(layout.fourcc) else {
        return Ok(None);
    };
    let sides = [layout.width, layout.height];
    if !layout.whole
        || sides
            .into_iter()
            .any(|side| !(2..=SIDE_MAX).contains(&side))
    {
        return Ok(None);
    }
    let format = CameraFormat {
        pixels,
        width: layout.width & !1,
        height: layout.height & !1,
        // Who has no say in its rate is taken to keep up; time stamps tell the real one.
        fps: interval
            .and_then(Fraction::fps)
            .unwrap_or(f64::from(wish.fps)),
    };
    Ok(Some(Agreed { format, layout }))
}

fn all_offers(node: &dyn Node, wish: CameraWish) -> Vec<Offer> {
    let mut fourccs = answers(|index| node.format_offered(index));
    if fourccs.is_empty() {
        // A driver that tells nothing: ask for each, and see.
        fourccs = PixelFormat::ALL.map(PixelFormat::fourcc).to_vec();
    }
    let understood = fourccs.into_iter().filter_map(PixelFormat::from_fourcc);
    let mut offers = Vec::new();
    for pixels in understood {
        for size in sizes(node, pixels, wish) {
            let intervals = answers(|index| node.intervals_offered(pixels.fourcc(), size, index));
            if intervals.is_empty() {
                offers.push(Offer {
                    pixels,
                    size,
                    interval: None,
                });
            }
            offers.extend(intervals.into_iter().map(|interval| Offer {
                pixels,
                size,
                interval: Some(nearest(interval, wish)),
            }));
        }
    }
    offers
}

fn sizes(node: &dyn Node, pixels: PixelFormat, wish: CameraWish) -> Vec<(u32, u32)> {
    let wished = (wish.width, wish.height);
    let offered = answers(|index| node.sizes_offered(pixels.fourcc(), index));
    let mut sizes = Vec::new();
    for offer in &offered {
        match *offer {
            Sizes::Discrete(width, height) => sizes.push((width, height)),
            Sizes::Stepwise { width, height } => {
                let candidates = std::iter::once(wished).chain(USUAL_SIZES);
                sizes.extend(candidates.map(|(w, h)| (width.nearest(w), height.nearest(h))));
            }
        }
    }
    if offered.is_empty() {
        sizes.push(wished);
        sizes.extend(USUAL_SIZES);
    }
    sizes.retain(|size| {
        [size.0, size.1]
            .iter()
            .all(|side| (2..=SIDE_MAX).contains(side))
    });
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn nearest(intervals: Intervals, wish: CameraWish) -> Fraction {
    let wanted = Fraction {
        numerator: 1,
        denominator: wish.fps.max(1),
    };
    match intervals {
        Intervals::Discrete(interval) => interval,
        Intervals::Between(shortest, longest) => match (shortest.fps(), longest.fps()) {
            (Some(most), _) if f64::from(wish.fps) > most => shortest,
            (_, Some(least)) if f64::from(wish.fps) < least => longest,
            _ => wanted,
        },
    }
}

/// Reads a list of a driver's up to its end, which is any error.
fn answers<T>(mut answer: impl FnMut(u32) -> io::Result<T>) -> Vec<T> {
    (0..ANSWERS_MAX)
        .map_while(|index| answer(index).ok())
        .collect()
}

impl Offer {
    fn cost(&self, wish: CameraWish) -> f64 {
        let format = CameraFormat {
            pixels: self.pixels,
            width: self.size.0,
            height: self.size.1,
            fps: match self.interval {
                Some(interval) => interval.fps().unwrap_or(0.01),
                None => f64::from(wish.fps),
            },
        };
        cost(&format, wish)
    }
}

/// Says how far a format is from a wish: 0 is what was wished for in the cheapest coding.
///
/// Counted in powers of e. Too few pixels weigh three times as much as too many, which only cost
/// work; too few pictures weigh most, because in a call a face that jerks is worse than one that is
/// coarse; another shape loses the sides of the picture in a tile.
fn cost(format: &CameraFormat, wish: CameraWish) -> f64 {
    let ratio = |is: f64, wanted: f64| (is.max(0.01) / wanted.max(1.0)).ln();
    let weigh = |ln: f64, [too_little, too_much]: [f64; 2]| {
        if ln < 0.0 {
            -too_little * ln
        } else {
            too_much * ln
        }
    };
    let area = |width: u32, height: u32| f64::from(width) * f64::from(height);
    let shape = |width: u32, height: u32| f64::from(width) / f64::from(height.max(1));
    let pixels = ratio(
        area(format.width, format.height),
        area(wish.width, wish.height),
    );
    let rate = ratio(format.fps, f64::from(wish.fps));
    // 29.97 is as good as 30.
    let rate = if rate.abs() < 0.01 { 0.0 } else { rate };
    let distortion = (shape(format.width, format.height) / shape(wish.width, wish.height)).ln();
    weigh(pixels, [3.0, 1.0])
        + weigh(rate, [5.0, 0.3])
        + distortion.abs()
        + coding_cost(format.pixels)
}

/// Decoding a JPEG takes 20 times as long as sorting the bytes of YUYV, but less than a picture
/// that is coarser by a notch would hurt.
fn coding_cost(pixels: PixelFormat) -> f64 {
    match pixels {
        PixelFormat::Yu12 | PixelFormat::Yv12 => 0.0,
        PixelFormat::Nv12 | PixelFormat::Nv21 => 0.005,
        PixelFormat::Yuyv | PixelFormat::Uyvy => 0.01,
        PixelFormat::Yvyu | PixelFormat::Vyuy => 0.015,
        PixelFormat::Rgb3 | PixelFormat::Bgr3 => 0.03,
        PixelFormat::Mjpg | PixelFormat::Jpeg => 0.1,
    }
}

#[cfg(test)]
mod tests;
