use super::*;
use crate::device::camera::CameraFormat;
use crate::device::camera::node::Layout;

/// Left half red, right half white, 64x48 at 4:2:2 with its own Huffman tables, by ffmpeg.
const TWO_COLOURS: &[u8] = include_bytes!("two_colours.jpg");

/// Limited BT.601 of the red and the white above.
const RED: [u8; 3] = [81, 90, 240];
const WHITE: [u8; 3] = [235, 128, 128];

fn converter(pixels: PixelFormat, width: u32, height: u32, stride: u32) -> Converter {
    Converter::new(Agreed {
        format: CameraFormat {
            pixels,
            width: width & !1,
            height: height & !1,
            fps: 30.0,
        },
        layout: Layout {
            fourcc: pixels.fourcc(),
            width,
            height,
            stride,
            whole: true,
            full_range: false,
        },
    })
}

/// Luma 16 + column, a U of 100 and a V of 200.
fn yuyv(width: usize, height: usize, stride: usize, order: [usize; 4]) -> Vec<u8> {
    let mut bytes = vec![0xee; stride * height];
    for row in bytes.chunks_exact_mut(stride) {
        for (pair, place) in row[..2 * width].chunks_exact_mut(4).enumerate() {
            let values = [16 + 2 * pair as u8, 100, 17 + 2 * pair as u8, 200];
            for (value, at) in values.into_iter().zip(order) {
                place[at] = value;
            }
        }
    }
    bytes
}

fn assert_ramp(frame: &I420Frame) {
    let [y, u, v] = frame.planes();
    for row in y.chunks_exact(frame.width as usize) {
        assert!(
            row.iter()
                .enumerate()
                .all(|(n, &luma)| usize::from(luma) == 16 + n),
            "{row:?}"
        );
    }
    assert!(
        u.iter().all(|&u| u == 100) && v.iter().all(|&v| v == 200),
        "{u:?} {v:?}"
    );
}

#[test]
fn packed_pictures_come_in_any_order_and_stride() {
    for (pixels, order) in [
        (PixelFormat::Yuyv, [0, 1, 2, 3]),
        (PixelFormat::Yvyu, [0, 3, 2, 1]),
        (PixelFormat::Uyvy, [1, 0, 3, 2]),
        (PixelFormat::Vyuy, [1, 2, 3, 0]),
    ] {
        for (width, stride) in [(64, 128), (64, 160), (38, 76), (6, 12)] {
            let bytes = yuyv(width, 8, stride, order);
            let mut converter = converter(pixels, width as u32, 8, stride as u32);
            assert_ramp(&converter.convert(&bytes).unwrap());
            // The padding behind the last row is the driver's to leave out.
            let shortest = bytes.len() - (stride - 2 * width);
            assert_ramp(&converter.convert(&bytes[..shortest]).unwrap());
            assert_eq!(converter.convert(&bytes[..shortest - 1]), Err(Damaged));
        }
    }
}

#[test]
fn planar_pictures_come_in_any_order_and_stride() {
    let (width, height, stride) = (34, 8, 48);
    let plane = |stride: usize, rows: usize, value: fn(usize) -> u8| -> Vec<u8> {
        (0..stride * rows).map(|n| value(n % stride)).collect()
    };
    let luma = || plane(stride, height, |n| 16 + n as u8);
    let (u, v) = (
        plane(stride / 2, height / 2, |_| 100),
        plane(stride / 2, height / 2, |_| 200),
    );
    let uv = plane(stride, height / 2, |n| if n % 2 == 0 { 100 } else { 200 });
    let vu = plane(stride, height / 2, |n| if n % 2 == 0 { 200 } else { 100 });
    for (pixels, bytes) in [
        (PixelFormat::Yu12, [luma(), u.clone(), v.clone()].concat()),
        (PixelFormat::Yv12, [luma(), v, u].concat()),
        (PixelFormat::Nv12, [luma(), uv].concat()),
        (PixelFormat::Nv21, [luma(), vu].concat()),
    ] {
        let mut converter = converter(pixels, width, height as u32, stride as u32);
        assert_ramp(&converter.convert(&bytes).unwrap());
        assert_eq!(
            converter.convert(&bytes[..bytes.len() / 2]),
            Err(Damaged),
            "{pixels}"
        );
        assert_eq!(converter.convert(&[]), Err(Damaged), "{pixels}");
    }
}

#[test]
fn an_odd_picture_loses_its_last_row_and_column() {
    let bytes = yuyv(8, 5, 16, [0, 1, 2, 3]);
    let frame = converter(PixelFormat::Yuyv, 7, 5, 16)
        .convert(&bytes)
        .unwrap();
    assert_eq!((frame.width, frame.height), (6, 4));
    assert_ramp(&frame);
}

#[test]
fn a_driver_that_leaves_the_stride_out_means_the_width() {
    let bytes = yuyv(64, 8, 128, [0, 1, 2, 3]);
    assert_ramp(
        &converter(PixelFormat::Yuyv, 64, 8, 0)
            .convert(&bytes)
            .unwrap(),
    );
}

#[test]
fn red_green_and_blue_become_limited_bt_601() {
    for (pixels, red) in [
        (PixelFormat::Rgb3, [255, 0, 0]),
        (PixelFormat::Bgr3, [0, 0, 255]),
    ] {
        let bytes = [red, [255; 3]]
            .map(|colour| colour.repeat(8))
            .concat()
            .repeat(4);
        let frame = converter(pixels, 16, 4, 48).convert(&bytes).unwrap();
        assert_two_colours(&frame, 1);
    }
}

/// Left half red, right half white, away from the edge between them.
fn assert_two_colours(frame: &I420Frame, tolerance: u8) {
    let (width, chroma_width) = (frame.width as usize, frame.chroma_size().0);
    for (k, (plane, width)) in frame
        .planes()
        .into_iter()
        .zip([width, chroma_width, chroma_width])
        .enumerate()
    {
        for row in plane.chunks_exact(width) {
            for (values, wanted) in [
                (&row[..width / 4], RED[k]),
                (&row[3 * width / 4..], WHITE[k]),
            ] {
                let near = |value: &u8| value.abs_diff(wanted) <= tolerance;
                assert!(
                    values.iter().all(near),
                    "plane {k}: {values:?} should be {wanted}"
                );
            }
        }
    }
}

#[test]
fn a_jpeg_becomes_limited_bt_601() {
    let mut converter = converter(PixelFormat::Mjpg, 64, 48, 0);
    assert_two_colours(&converter.convert(TWO_COLOURS).unwrap(), 2);
    // Drivers fill the buffer up with zeroes now and then.
    let padded = [TWO_COLOURS, &[0; 100]].concat();
    assert_two_colours(&converter.convert(&padded).unwrap(), 2);
}

#[test]
fn a_jpeg_without_its_tables_is_completed() {
    let mut bare = TWO_COLOURS.to_vec();
    let mut left_out = 0;
    while let Some(at) = bare.windows(2).position(|two| two == [0xff, 0xc4]) {
        let length = usize::from(u16::from_be_bytes([bare[at + 2], bare[at + 3]]));
        bare.drain(at..at + 2 + length);
        left_out += 1;
    }
    assert!(left_out > 0 && lacks_tables(&bare) && !lacks_tables(TWO_COLOURS));
    let mut converter = converter(PixelFormat::Mjpg, 64, 48, 0);
    assert_two_colours(&converter.convert(&bare).unwrap(), 2);
}

#[test]
fn a_damaged_jpeg_is_told_and_the_next_one_read() {
    let mut converter = converter(PixelFormat::Mjpg, 64, 48, 0);
    converter.convert(TWO_COLOURS).unwrap();
    let scan = TWO_COLOURS
        .windows(2)
        .position(|two| two == [0xff, 0xda])
        .unwrap();
    for cut in [0, 1, 2, 20, scan, scan + 20] {
        assert_eq!(
            converter.convert(&TWO_COLOURS[..cut]),
            Err(Damaged),
            "cut at {cut}"
        );
    }
    assert_eq!(converter.convert(&[0; 4000]), Err(Damaged));
    converter.convert(TWO_COLOURS).unwrap();
}

#[test]
fn a_jpeg_of_another_size_is_no_picture_of_ours() {
    assert_eq!(
        converter(PixelFormat::Mjpg, 64, 32, 0).convert(TWO_COLOURS),
        Err(Damaged)
    );
    assert_eq!(
        converter(PixelFormat::Mjpg, 32, 48, 0).convert(TWO_COLOURS),
        Err(Damaged)
    );
}

#[test]
fn a_camera_that_never_ends_its_jpegs_is_read_all_the_same() {
    let cut = &TWO_COLOURS[..TWO_COLOURS.len() - 2];
    let mut converter = converter(PixelFormat::Mjpg, 64, 48, 0);
    let first_whole = (0..20).find(|_| converter.convert(cut).is_ok());
    let patience = STRICT_FAILURES_MAX as usize;
    assert!(
        first_whole.is_some_and(|n| n <= patience),
        "{first_whole:?}"
    );
}

#[test]
fn full_range_is_brought_to_the_limited_one() {
    let mut converter = converter(PixelFormat::Yu12, 4, 2, 4);
    converter.agreed.layout.full_range = true;
    let bytes = [0, 255, 128, 64, 0, 255, 128, 64, 0, 255, 128, 128];
    let frame = converter.convert(&bytes).unwrap();
    assert_eq!(frame.planes()[0][..4], [16, 235, 126, 71]);
    assert_eq!(
        (frame.planes()[1], frame.planes()[2]),
        (&[16, 240][..], &[128, 128][..])
    );
}

proptest::proptest! {
    #[test]
    fn nothing_in_a_buffer_makes_it_panic(
        format in 0..PixelFormat::ALL.len(),
        (width, height, stride) in (2u32..70, 2u32..50, 0u32..300),
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..9000),
        flips in proptest::collection::vec((0usize..2000, proptest::num::u8::ANY), 0..6),
    ) {
        let pixels = PixelFormat::ALL[format];
        let outcome = converter(pixels, width, height, stride).convert(&bytes);
        if let Ok(frame) = outcome {
            proptest::prop_assert!(frame.check().is_ok());
        }
        let mut jpeg = TWO_COLOURS.to_vec();
        for (at, value) in flips {
            let at = at % jpeg.len();
            jpeg[at] ^= value;
        }
        let outcome = converter(PixelFormat::Mjpg, 64, 48, 0).convert(&jpeg);
        if let Ok(frame) = outcome {
            proptest::prop_assert!(frame.check().is_ok());
        }
    }
}
