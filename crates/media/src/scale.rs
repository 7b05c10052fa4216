//! Makes pictures smaller, for previews and lesser encodings.

use crate::frame::I420Frame;

/// Scales `picture` down to `height` rows into `out`, keeping its shape: every pixel of `out` is
/// the mean of the area it stands for, so that fine detail does not shimmer.
///
/// Never enlarges: a picture that is no higher stays as it is. Both sides come out even, as chroma
/// wants them, and at least 2. `out` is resized; used again, it costs no allocation.
pub fn scale_to_height(picture: &I420Frame, height: u32, out: &mut I420Frame) {
    let (width, height) = scaled_size((picture.width, picture.height), height);
    out.width = width;
    out.height = height;
    if (width, height) == (picture.width, picture.height) {
        out.data.clone_from(&picture.data);
        return;
    }
    out.data.resize(I420Frame::bytes_for(width, height), 0);
    let luma = [picture.width, picture.height].map(|side| side as usize);
    let chroma = <[usize; 2]>::from(picture.chroma_size());
    let chroma_out = <[usize; 2]>::from(out.chroma_size());
    let sizes = [
        (luma, [width as usize, height as usize]),
        (chroma, chroma_out),
        (chroma, chroma_out),
    ];
    for ((from, to), (size, size_out)) in picture
        .planes()
        .into_iter()
        .zip(out.planes_mut())
        .zip(sizes)
    {
        scale_plane(from, size, to, size_out);
    }
}

/// Gives the size that [`scale_to_height`] makes of a picture of `size`.
#[must_use]
pub fn scaled_size((width, height): (u32, u32), height_wanted: u32) -> (u32, u32) {
    let even = |side: u64| (side as u32 & !1).max(2);
    let rows = even(u64::from(height_wanted.min(height)));
    // To the nearest even number: the shape changes by less than a pixel. It may not grow.
    let columns = u64::from(width) * u64::from(rows) / u64::from(height.max(1)) + 1;
    (even(columns.min(u64::from(width))), rows)
}

fn scale_plane(from: &[u8], size: [usize; 2], to: &mut [u8], size_out: [usize; 2]) {
    if size == size_out.map(|side| side * 2) {
        return halve_plane(from, size[0], to);
    }
    if size[0] < size_out[0] || size[1] < size_out[1] {
        // A picture one or two pixels wide: there is nothing to take the mean of.
        return repeat_plane(from, size, to, size_out);
    }
    let ([width, height], [width_out, height_out]) = (size, size_out);
    let columns: Vec<Span> = (0..width_out)
        .map(|column| Span::new(column, width, width_out))
        .collect();
    let share = 1.0 / (width as f32 * height as f32);
    let mut sums = vec![0u32; width];
    for (row, line) in to.chunks_exact_mut(width_out).enumerate() {
        sums.fill(0);
        Span::new(row, height, height_out).for_each(|row, weight| {
            let line = &from[row * width..][..width];
            for (sum, &value) in sums.iter_mut().zip(line) {
                *sum += weight * u32::from(value);
            }
        });
        for (value, span) in line.iter_mut().zip(&columns) {
            *value = (span.weigh(&sums) as f32 * share + 0.5) as u8;
        }
    }
}

/// The common case, 720 rows to 360 or 360 to 180, at a quarter of the cost.
fn halve_plane(from: &[u8], width: usize, to: &mut [u8]) {
    for (lines, line) in from
        .chunks_exact(2 * width)
        .zip(to.chunks_exact_mut(width / 2))
    {
        let (upper, lower) = lines.split_at(width);
        let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        for (value, (a, b)) in line.iter_mut().zip(pairs) {
            let sum = u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]);
            *value = ((sum + 2) / 4) as u8;
        }
    }
}

fn repeat_plane(from: &[u8], [width, height]: [usize; 2], to: &mut [u8], size_out: [usize; 2]) {
    let [width_out, height_out] = size_out;
    for (row, line) in to.chunks_exact_mut(width_out).enumerate() {
        let source = &from[row * height / height_out * width..][..width];
        for (column, value) in line.iter_mut().enumerate() {
            *value = source[column * width / width_out];
        }
    }
}

/// The old pixels that one new pixel covers, and how much of each. Weights are whole numbers in
/// units of a pixel divided by the new count; together they are the old count.
struct Span {
    first: usize,
    last: usize,
    weight_first: u32,
    weight_last: u32,
    weight_whole: u32,
}

impl Span {
    fn new(index: usize, count: usize, count_out: usize) -> Self {
        let (start, end) = (index * count, (index + 1) * count);
        let (first, last) = (start / count_out, (end - 1) / count_out);
        let weight_first = if first == last {
            end - start
        } else {
            (first + 1) * count_out - start
        };
        Self {
            first,
            last,
            weight_first: weight_first as u32,
            weight_last: (end - last * count_out) as u32,
            weight_whole: count_out as u32,
        }
    }

    fn for_each(&self, mut take: impl FnMut(usize, u32)) {
        take(self.first, self.weight_first);
        if self.last == self.first {
            return;
        }
        for index in self.first + 1..self.last {
            take(index, self.weight_whole);
        }
        take(self.last, self.weight_last);
    }

    fn weigh(&self, values: &[u32]) -> u64 {
        let mut sum = u64::from(values[self.first]) * u64::from(self.weight_first);
        if self.last == self.first {
            return sum;
        }
        let whole: u64 = values[self.first + 1..self.last]
            .iter()
            .map(|&v| u64::from(v))
            .sum();
        sum += whole * u64::from(self.weight_whole);
        sum + u64::from(values[self.last]) * u64::from(self.weight_last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::TestPattern;

    fn scaled(picture: &I420Frame, height: u32) -> I420Frame {
        let mut out = I420Frame::default();
        scale_to_height(picture, height, &mut out);
        assert!(out.check().is_ok(), "{}x{}", out.width, out.height);
        out
    }

    /// The mean, the slow and obvious way, for comparison.
    fn slow(from: &[u8], size: [usize; 2], size_out: [usize; 2], at: [usize; 2]) -> f64 {
        let [x0, y0] = [0, 1].map(|k| at[k] as f64 * size[k] as f64 / size_out[k] as f64);
        let [x1, y1] = [0, 1].map(|k| (at[k] + 1) as f64 * size[k] as f64 / size_out[k] as f64);
        let (mut sum, mut area) = (0.0, 0.0);
        for y in 0..size[1] {
            for x in 0..size[0] {
                let w = (x1.min(x as f64 + 1.0) - x0.max(x as f64)).max(0.0);
                let h = (y1.min(y as f64 + 1.0) - y0.max(y as f64)).max(0.0);
                sum += w * h * f64::from(from[y * size[0] + x]);
                area += w * h;
            }
        }
        sum / area
    }

    #[test]
    fn sizes_keep_their_shape_and_are_even() {
        assert_eq!(scaled_size((1280, 720), 360), (640, 360));
        assert_eq!(scaled_size((1280, 720), 180), (320, 180));
        assert_eq!(scaled_size((640, 480), 360), (480, 360));
        assert_eq!(scaled_size((720, 1280), 360), (202, 360));
        assert_eq!(scaled_size((320, 180), 360), (320, 180));
        assert_eq!(scaled_size((321, 181), 360), (320, 180));
        assert_eq!(scaled_size((1280, 720), 181), (320, 180));
        assert_eq!(scaled_size((1, 1), 360), (2, 2));
        assert_eq!(scaled_size((1280, 720), 0), (4, 2));
    }

    #[test]
    fn every_pixel_is_the_mean_of_its_area() {
        let picture = TestPattern::new(64, 48, 25).unwrap().draw(7);
        for height in [46, 40, 36, 24, 18, 10, 2] {
            let out = scaled(&picture, height);
            let size_out = [out.width as usize, out.height as usize];
            for (place, &value) in out.planes()[0].iter().enumerate() {
                let at = [place % size_out[0], place / size_out[0]];
                let mean = slow(picture.planes()[0], [64, 48], size_out, at);
                assert!(
                    (f64::from(value) - mean).abs() <= 0.51,
                    "{height} {at:?} {value} {mean}"
                );
            }
        }
    }

    #[test]
    fn a_flat_picture_stays_flat_at_any_size() {
        let mut picture = I420Frame::black(175, 131);
        for (plane, value) in picture.planes_mut().into_iter().zip([235, 16, 240]) {
            plane.fill(value);
        }
        for height in 2..=131 {
            let out = scaled(&picture, height);
            for (plane, value) in out.planes().into_iter().zip([235, 16, 240]) {
                assert!(plane.iter().all(|&v| v == value), "{height}");
            }
        }
    }

    #[test]
    fn no_picture_is_enlarged_and_none_too_small() {
        let picture = TestPattern::new(64, 48, 25).unwrap().draw(0);
        assert_eq!(scaled(&picture, 360), picture);
        let dot = scaled(&I420Frame::black(1, 1), 360);
        assert_eq!(
            (dot.width, dot.height, dot.planes()[0]),
            (2, 2, &[16; 4][..])
        );
    }

    #[test]
    fn the_result_of_an_earlier_picture_does_not_shine_through() {
        let mut out = I420Frame::black(64, 48);
        let mut white = I420Frame::black(128, 96);
        white.planes_mut()[0].fill(235);
        scale_to_height(&white, 24, &mut out);
        assert_eq!((out.width, out.height), (32, 24));
        assert!(out.planes()[0].iter().all(|&v| v == 235));
    }
}
