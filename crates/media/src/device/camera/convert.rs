//! Makes I420 (BT.601, limited range) of what a camera put into a buffer.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::PixelFormat;
use super::negotiate::Agreed;
use crate::frame::I420Frame;

/// Damaged JPEGs at the start after which the strict reading is given up: there are cameras that
/// never write a correct one.
const STRICT_FAILURES_MAX: u32 = 5;

/// A picture that is not whole: to be left out and counted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// Converts pictures of one layout.
pub(super) struct Converter {
    agreed: Agreed,
    /// Three bytes a pixel, between JPEG and I420; kept to save the allocation.
    decoded: Vec<u8>,
    /// A JPEG that had to be completed before it could be read.
    completed: Vec<u8>,
    /// Damaged JPEGs before the first whole one; `None` after it.
    strict_failures: Option<u32>,
}

impl Converter {
    pub(super) fn new(agreed: Agreed) -> Self {
        Self {
            agreed,
            decoded: Vec::new(),
            completed: Vec::new(),
            strict_failures: Some(0),
        }
    }

    /// Converts what `bytes`, the used part of a buffer, hold.
    pub(super) fn convert(&mut self, bytes: &[u8]) -> Result<I420Frame, Damaged> {
        let format = self.agreed.format;
        let mut frame = I420Frame {
            width: format.width,
            height: format.height,
            data: vec![0; I420Frame::bytes_for(format.width, format.height)],
        };
        if format.pixels.is_compressed() {
            self.read_jpeg(bytes, &mut frame)?;
            return Ok(frame);
        }
        let layout = self.agreed.layout;
        let stride = (layout.stride as usize).max(least_stride(format.pixels, layout.width));
        let rows = layout.height as usize;
        match format.pixels {
            PixelFormat::Yu12 => planar(bytes, stride, rows, &mut frame, false)?,
            PixelFormat::Yv12 => planar(bytes, stride, rows, &mut frame, true)?,
            PixelFormat::Nv12 => pairs(bytes, stride, rows, &mut frame, false)?,
            PixelFormat::Nv21 => pairs(bytes, stride, rows, &mut frame, true)?,
            pixels => {
                let used = least_stride(pixels, layout.width);
                let bytes = whole_rows(bytes, stride, used, rows & !1)?;
                match pixels {
                    PixelFormat::Uyvy => packed::<1, 3, 0, 2>(bytes, stride, &mut frame),
                    PixelFormat::Yvyu => packed::<0, 2, 3, 1>(bytes, stride, &mut frame),
                    PixelFormat::Vyuy => packed::<1, 3, 2, 0>(bytes, stride, &mut frame),
                    PixelFormat::Rgb3 => rgb::<0, 2>(bytes, stride, &mut frame),
                    PixelFormat::Bgr3 => rgb::<2, 0>(bytes, stride, &mut frame),
                    _ => packed::<0, 2, 1, 3>(bytes, stride, &mut frame),
                }
            }
        }
        let is_rgb = matches!(format.pixels, PixelFormat::Rgb3 | PixelFormat::Bgr3);
        if layout.full_range && !is_rgb {
            limit_range(&mut frame);
        }
        Ok(frame)
    }

    fn read_jpeg(&mut self, bytes: &[u8], frame: &mut I420Frame) -> Result<(), Damaged> {
        let strict = self.strict_failures.is_none_or(|n| n < STRICT_FAILURES_MAX);
        let outcome = self.decode(bytes, strict, frame);
        match (&outcome, &mut self.strict_failures) {
            (Ok(()), failures) if strict => *failures = None,
            (Err(Damaged), Some(failures)) => *failures += 1,
            _ => {}
        }
        outcome
    }

    fn decode(&mut self, bytes: &[u8], strict: bool, out: &mut I420Frame) -> Result<(), Damaged> {
        let bytes = with_tables(bytes, &mut self.completed);
        let side_max = self.agreed.layout.width.max(self.agreed.layout.height) as usize;
        let options = DecoderOptions::default()
            .set_strict_mode(strict)
            .set_max_width(side_max)
            .set_max_height(side_max)
            .jpeg_set_out_colorspace(ColorSpace::YCbCr);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers().map_err(|_| Damaged)?;
        let info = decoder.info().ok_or(Damaged)?;
        let (width, height) = (usize::from(info.width), usize::from(info.height));
        if (width & !1, height & !1) != (out.width as usize, out.height as usize) {
            return Err(Damaged);
        }
        let wanted = decoder.output_buffer_size().ok_or(Damaged)?;
        if wanted != width * height * 3 {
            // Black and white, or four inks: not what a camera gives.
            return Err(Damaged);
        }
        self.decoded.resize(wanted, 0);
        decoder
            .decode_into(&mut self.decoded)
            .map_err(|_| Damaged)?;
        from_ycbcr(&self.decoded, width * 3, out);
        Ok(())
    }
}

/// Bytes that a row of the first plane takes at least.
fn least_stride(pixels: PixelFormat, width: u32) -> usize {
    let width = width as usize;
    match pixels {
        PixelFormat::Yuyv | PixelFormat::Uyvy | PixelFormat::Yvyu | PixelFormat::Vyuy => {
            2 * (width + width % 2)
        }
        PixelFormat::Rgb3 | PixelFormat::Bgr3 => 3 * width,
        _ => width,
    }
}

/// Copies the first `width` bytes of each row.
fn copy_rows(from: &[u8], stride: usize, to: &mut [u8], width: usize) -> Result<(), Damaged> {
    let rows = to.len() / width;
    // The last row need not be padded.
    let from = from.get(..(rows - 1) * stride + width).ok_or(Damaged)?;
    for (from, to) in from.chunks(stride).zip(to.chunks_exact_mut(width)) {
        to.copy_from_slice(&from[..width]);
    }
    Ok(())
}

fn planar(
    bytes: &[u8],
    stride: usize,
    rows: usize,
    frame: &mut I420Frame,
    swapped: bool,
) -> Result<(), Damaged> {
    let (width, chroma_width) = (frame.width as usize, frame.chroma_size().0);
    let chroma_stride = stride.div_ceil(2);
    let chroma = bytes.get(stride * rows..).ok_or(Damaged)?;
    let second = chroma
        .get(chroma_stride * rows.div_ceil(2)..)
        .ok_or(Damaged)?;
    let [y, u, v] = frame.planes_mut();
    let (first_plane, second_plane) = if swapped { (v, u) } else { (u, v) };
    copy_rows(bytes, stride, y, width)?;
    copy_rows(chroma, chroma_stride, first_plane, chroma_width)?;
    copy_rows(second, chroma_stride, second_plane, chroma_width)
}

fn pairs(
    bytes: &[u8],
    stride: usize,
    rows: usize,
    frame: &mut I420Frame,
    swapped: bool,
) -> Result<(), Damaged> {
    let (width, (chroma_width, chroma_rows)) = (frame.width as usize, frame.chroma_size());
    let chroma = bytes.get(stride * rows..).ok_or(Damaged)?;
    let needed = (chroma_rows - 1) * stride + 2 * chroma_width;
    let chroma = chroma.get(..needed).ok_or(Damaged)?;
    let [y, u, v] = frame.planes_mut();
    copy_rows(bytes, stride, y, width)?;
    let (first_plane, second_plane) = if swapped { (v, u) } else { (u, v) };
    let lines = first_plane
        .chunks_exact_mut(chroma_width)
        .zip(second_plane.chunks_exact_mut(chroma_width));
    for (row, (firsts, seconds)) in chroma.chunks(stride).zip(lines) {
        let pairs = row.chunks_exact(2);
        for ((pair, first), second) in pairs.zip(firsts).zip(seconds) {
            *first = pair[0];
            *second = pair[1];
        }
    }
    Ok(())
}

/// Two rows of a buffer and where they go: two rows of luma, one of each chroma.
struct TwoRows<'a> {
    from: [&'a [u8]; 2],
    luma: [&'a mut [u8]; 2],
    u: &'a mut [u8],
    v: &'a mut [u8],
}

/// Walks down a buffer of whole pixels, `used` bytes of each row of `stride`.
fn two_rows<'a>(
    bytes: &'a [u8],
    stride: usize,
    used: usize,
    frame: &'a mut I420Frame,
) -> impl Iterator<Item = TwoRows<'a>> {
    let width = frame.width as usize;
    let [y, u, v] = frame.planes_mut();
    let chroma = u
        .chunks_exact_mut(width / 2)
        .zip(v.chunks_exact_mut(width / 2));
    let rows = bytes.chunks(2 * stride).zip(y.chunks_exact_mut(2 * width));
    rows.zip(chroma).map(move |((from, luma), (u, v))| TwoRows {
        from: [&from[..used], &from[stride..][..used]],
        luma: luma.split_at_mut(width).into(),
        u,
        v,
    })
}

/// Takes packed 4:2:2 apart. The places in four bytes at which the two lumas, U and V stand are known
/// when this is compiled, so that it works on many pixels at a time.
fn packed<const Y0: usize, const Y1: usize, const U: usize, const V: usize>(
    bytes: &[u8],
    stride: usize,
    frame: &mut I420Frame,
) {
    let used = 2 * frame.width as usize;
    for rows in two_rows(bytes, stride, used, frame) {
        for (luma, row) in rows.luma.into_iter().zip(rows.from) {
            for (two, four) in luma.chunks_exact_mut(2).zip(row.chunks_exact(4)) {
                two[0] = four[Y0];
                two[1] = four[Y1];
            }
        }
        // 4:2:0 has half the rows of chroma: each is the mean of two.
        let mean = |a: u8, b: u8| ((u16::from(a) + u16::from(b) + 1) >> 1) as u8;
        let [upper, lower] = rows.from;
        let pairs = || upper.chunks_exact(4).zip(lower.chunks_exact(4));
        for (value, (a, b)) in rows.u.iter_mut().zip(pairs()) {
            *value = mean(a[U], b[U]);
        }
        for (value, (a, b)) in rows.v.iter_mut().zip(pairs()) {
            *value = mean(a[V], b[V]);
        }
    }
}

/// Converts three bytes a pixel, with red and blue at the places `R` and `B` (BT.601, full range in,
/// limited out).
fn rgb<const R: usize, const B: usize>(bytes: &[u8], stride: usize, frame: &mut I420Frame) {
    let used = 3 * frame.width as usize;
    for rows in two_rows(bytes, stride, used, frame) {
        for (luma, row) in rows.luma.into_iter().zip(rows.from) {
            for (value, pixel) in luma.iter_mut().zip(row.chunks_exact(3)) {
                let [r, g, b] = [R, 1, B].map(|k| i32::from(pixel[k]));
                *value = (16 + ((16_829 * r + 33_039 * g + 6_416 * b + 32_768) >> 16)) as u8;
            }
        }
        let [upper, lower] = rows.from;
        let squares = pixel_pairs(upper).zip(pixel_pairs(lower));
        for ((u, v), (above, below)) in rows.u.iter_mut().zip(rows.v).zip(squares) {
            let [r, g, b] = [R, 1, B].map(|k| i32::from(sum_of_4(above, below, k)));
            *u = (128 + ((-9_714 * r - 19_071 * g + 28_784 * b + 131_072) >> 18)) as u8;
            *v = (128 + ((28_784 * r - 24_103 * g - 4_681 * b + 131_072) >> 18)) as u8;
        }
    }
}

/// Gives pixels of three bytes two by two.
fn pixel_pairs(row: &[u8]) -> impl Iterator<Item = &[u8; 6]> {
    row.as_chunks().0.iter()
}

/// Sums the value at `k` of two pixels and the two below them.
#[inline]
fn sum_of_4(above: &[u8; 6], below: &[u8; 6], k: usize) -> u16 {
    let of = |pair: &[u8; 6]| u16::from(pair[k]) + u16::from(pair[k + 3]);
    of(above) + of(below)
}

/// Lends the rows that a converter reads, or tells that some are missing. The padding behind the
/// last row is the driver's to leave out.
fn whole_rows(bytes: &[u8], stride: usize, used: usize, rows: usize) -> Result<&[u8], Damaged> {
    bytes.get(..stride * (rows - 1) + used).ok_or(Damaged)
}

/// Sorts the pixels of a JPEG (4:4:4, full range, three bytes each) into planes of limited range.
fn from_ycbcr(pixels: &[u8], stride: usize, frame: &mut I420Frame) {
    let used = 3 * frame.width as usize;
    // An odd last row has no second one to be a pair with.
    let pixels = &pixels[..stride * frame.height as usize];
    for rows in two_rows(pixels, stride, used, frame) {
        for (luma, row) in rows.luma.into_iter().zip(rows.from) {
            for (value, pixel) in luma.iter_mut().zip(row.chunks_exact(3)) {
                *value = LUMA[usize::from(pixel[0])];
            }
        }
        let [upper, lower] = rows.from;
        let squares = pixel_pairs(upper).zip(pixel_pairs(lower));
        for ((u, v), (above, below)) in rows.u.iter_mut().zip(rows.v).zip(squares) {
            *u = CHROMA_OF_4[usize::from(sum_of_4(above, below, 1))];
            *v = CHROMA_OF_4[usize::from(sum_of_4(above, below, 2))];
        }
    }
}

/// Brings a picture of full range to the limited one.
fn limit_range(frame: &mut I420Frame) {
    let [y, u, v] = frame.planes_mut();
    y.iter_mut()
        .for_each(|value| *value = LUMA[usize::from(*value)]);
    for plane in [u, v] {
        plane
            .iter_mut()
            .for_each(|value| *value = CHROMA_OF_4[4 * usize::from(*value)]);
    }
}

/// Limited luma of each full one: 0 is 16, 255 is 235.
static LUMA: [u8; 256] = luma_table();

/// Limited chroma of each sum of four full ones: 4 x 128 stays 128, the ends are 16 and 240.
static CHROMA_OF_4: [u8; 1021] = chroma_table();

const fn luma_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut full = 0;
    while full < 256 {
        table[full] = (16 + (full * 219 + 127) / 255) as u8;
        full += 1;
    }
    table
}

const fn chroma_table() -> [u8; 1021] {
    let mut table = [0; 1021];
    let mut sum = 0;
    while sum < 1021 {
        let centred = (sum as i32 - 512) * 224;
        let half = if centred < 0 { -510 } else { 510 };
        table[sum] = (128 + (centred + half) / 1020) as u8;
        sum += 1;
    }
    table
}

/// Says "AVI1" to a JPEG reader: use the tables that every motion JPEG without its own means.
const USUAL_TABLES: [u8; 18] = *b"\xff\xe0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0";

/// Completes a JPEG that leaves its Huffman tables out, as many cameras do to save bytes.
fn with_tables<'a>(jpeg: &'a [u8], completed: &'a mut Vec<u8>) -> &'a [u8] {
    if !lacks_tables(jpeg) {
        return jpeg;
    }
    completed.clear();
    completed.extend_from_slice(&jpeg[..2]);
    completed.extend_from_slice(&USUAL_TABLES);
    completed.extend_from_slice(&jpeg[2..]);
    completed
}

/// Walks the headers up to the picture itself (ISO 10918-1, B.1.1).
fn lacks_tables(jpeg: &[u8]) -> bool {
    const TABLES: u8 = 0xc4;
    const SCAN: u8 = 0xda;
    if !jpeg.starts_with(&[0xff, 0xd8]) {
        return false;
    }
    let mut rest = &jpeg[2..];
    while let [0xff, marker, tail @ ..] = rest {
        match (*marker, tail) {
            (TABLES, _) => return false,
            (SCAN, _) => return true,
            // Any number of these may stand before a marker.
            (0xff, _) => rest = &rest[1..],
            (_, [high, low, ..]) => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some(next) = tail.get(length.max(2)..) else {
                    return false;
                };
                rest = next;
            }
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests;
