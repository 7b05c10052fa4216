use std::io;

use super::*;
use crate::device::camera::node::Ready;
use crate::device::camera::recorded::{Offered, Recorded, fraction, plain};

const HD: CameraWish = CameraWish {
    width: 1280,
    height: 720,
    fps: 30,
};

fn agree(mut node: Recorded, wish: CameraWish) -> Result<String, DeviceProblem> {
    let agreed = negotiate(&mut node, wish, None)?;
    assert_eq!(agreed.layout, node.layout, "what was agreed stands set");
    assert_eq!(
        node.wait(std::time::Duration::ZERO).unwrap(),
        Ready::Nothing
    );
    Ok(agreed.format.to_string())
}

fn wish(width: u32, height: u32, fps: u32) -> CameraWish {
    CameraWish { width, height, fps }
}

#[test]
fn a_webcam_gives_jpeg_where_raw_pictures_would_be_slow() {
    assert_eq!(agree(Recorded::uvc(), HD).unwrap(), "MJPG 1280x720 at 30.0");
    assert_eq!(
        agree(Recorded::uvc(), wish(640, 480, 30)).unwrap(),
        "YUYV 640x480 at 30.0"
    );
    assert_eq!(
        agree(Recorded::uvc(), wish(320, 180, 15)).unwrap(),
        "YUYV 320x240 at 15.0"
    );
    assert_eq!(
        agree(Recorded::uvc(), wish(1920, 1080, 30)).unwrap(),
        "MJPG 1920x1080 at 30.0"
    );
    assert_eq!(
        agree(Recorded::uvc(), wish(1280, 720, 60)).unwrap(),
        "MJPG 1280x720 at 60.0"
    );
}

#[test]
fn a_camera_that_silently_gives_yuyv_for_mjpg_is_believed_at_what_it_gives() {
    let silent = |mut node: Recorded| {
        // The format is taken for another one, and with it the rate of that one.
        node.on_set = |asked, _| Ok(plain(*b"YUYV", asked.width, asked.height));
        node.on_interval = |asked, format| {
            let slow = format.width * format.height > 640 * 480;
            Ok(Some(if slow { fraction(1, 10) } else { asked }))
        };
        node
    };
    // 720p would be 10 a second: the best that is fast is taken instead.
    assert_eq!(
        agree(silent(Recorded::uvc()), HD).unwrap(),
        "YUYV 640x480 at 30.0"
    );
    assert_eq!(
        agree(silent(Recorded::uvc()), wish(1280, 720, 10)).unwrap(),
        "YUYV 1280x720 at 10.0"
    );
}

#[test]
fn an_odd_state_at_power_on_and_odd_rates_do_not_matter() {
    let agreed = |wish| agree(Recorded::vivid(), wish).unwrap();
    // 720 rows would come at 12.5 a second.
    assert_eq!(agreed(HD), "YU12 640x360 at 30.0");
    assert_eq!(agreed(wish(1280, 720, 12)), "YU12 1280x720 at 12.5");
    assert_eq!(agreed(wish(640, 480, 12)), "YU12 640x480 at 12.5");
}

#[test]
fn a_driver_that_keeps_its_own_rate_is_believed() {
    let mut node = Recorded::vivid();
    node.on_interval = |_, _| Ok(Some(fraction(2, 25)));
    assert_eq!(agree(node, HD).unwrap(), "YU12 1280x720 at 12.5");
    // One that has no say is taken to keep up.
    let mut node = Recorded::stepwise();
    node.on_interval = |_, _| Ok(None);
    assert_eq!(agree(node, HD).unwrap(), "NV12 1280x720 at 30.0");
}

#[test]
fn sizes_in_steps_are_met_to_the_step() {
    assert_eq!(
        agree(Recorded::stepwise(), HD).unwrap(),
        "NV12 1280x720 at 30.0"
    );
    let mut node = Recorded::stepwise();
    node.on_set = |asked, _| {
        Ok(plain(
            asked.fourcc,
            asked.width / 16 * 16,
            asked.height / 8 * 8,
        ))
    };
    assert_eq!(
        agree(node, wish(854, 480, 90)).unwrap(),
        "NV12 848x480 at 60.0"
    );
    assert_eq!(
        agree(Recorded::stepwise(), wish(4096, 4096, 30)).unwrap(),
        "NV12 1920x1200 at 30.0"
    );
}

#[test]
fn only_one_coding_is_taken_when_only_that_is_wanted() {
    let mut node = Recorded::uvc();
    let agreed = negotiate(&mut node, HD, Some(PixelFormat::Yuyv)).unwrap();
    assert_eq!(agreed.format.pixels, PixelFormat::Yuyv);
    let none = negotiate(&mut Recorded::uvc(), HD, Some(PixelFormat::Nv12));
    assert_eq!(none, Err(DeviceProblem::Format));
    // It offers JPEG, and gives something else for it.
    let mut silent = Recorded::uvc();
    silent.on_set = |asked, _| Ok(plain(*b"YUYV", asked.width, asked.height));
    let none = negotiate(&mut silent, HD, Some(PixelFormat::Mjpg));
    assert_eq!(none, Err(DeviceProblem::Format));
}

#[test]
fn what_is_not_understood_is_not_taken() {
    let infrared = Offered {
        fourcc: *b"GREY",
        sizes: vec![(
            Sizes::Discrete(640, 360),
            vec![Intervals::Discrete(fraction(1, 30))],
        )],
    };
    let grey = Recorded::new(vec![infrared], plain(*b"GREY", 640, 360), None);
    assert!(!is_usable(&grey));
    assert_eq!(agree(grey, HD), Err(DeviceProblem::Format));
    // A TV card that only gives every other line.
    let mut halves = Recorded::stepwise();
    halves.on_set = |asked, _| {
        Ok(Layout {
            whole: false,
            ..asked
        })
    };
    assert_eq!(agree(halves, HD), Err(DeviceProblem::Format));
    // And a driver that answers nonsense.
    let mut nonsense = Recorded::stepwise();
    nonsense.on_set = |asked, _| {
        Ok(Layout {
            width: u32::MAX,
            height: 0,
            ..asked
        })
    };
    assert_eq!(agree(nonsense, HD), Err(DeviceProblem::Format));
}

#[test]
fn a_driver_that_tells_nothing_is_asked_all_the_same() {
    let mut mute = Recorded::new(Vec::new(), plain(*b"UYVY", 1920, 1080), None);
    // It has one format, whatever it is asked for.
    mute.on_set = |_, before| Ok(before);
    mute.on_interval = |_, _| Ok(None);
    assert_eq!(agree(mute, HD).unwrap(), "UYVY 1920x1080 at 30.0");
}

#[test]
fn what_stands_in_the_way_is_told() {
    let mut busy = Recorded::uvc();
    busy.on_set = |_, _| Err(io::Error::from_raw_os_error(libc::EBUSY));
    assert_eq!(agree(busy, HD), Err(DeviceProblem::Busy));
    let mut gone = Recorded::uvc();
    gone.on_set = |_, _| Err(io::Error::from_raw_os_error(libc::ENODEV));
    assert_eq!(agree(gone, HD), Err(DeviceProblem::Absent));
    let mut broken = Recorded::uvc();
    broken.on_set = |_, _| Err(io::Error::from_raw_os_error(libc::EIO));
    assert!(matches!(agree(broken, HD), Err(DeviceProblem::Backend(_))));
}

#[test]
fn one_format_that_fails_is_passed_over() {
    let mut node = Recorded::uvc();
    node.on_set = |asked, _| match &asked.fourcc {
        b"MJPG" => Err(io::Error::from_raw_os_error(libc::EIO)),
        _ => Ok(asked),
    };
    node.on_interval = |asked, format| {
        let slow = format.width * format.height > 640 * 480;
        Ok(Some(if slow { fraction(1, 10) } else { asked }))
    };
    let format = agree(node, HD).unwrap();
    assert!(format.starts_with("YUYV"), "{format}");
}

#[test]
fn offers_are_listed_once_each_with_their_highest_rate() {
    let formats: Vec<String> = formats(&Recorded::uvc())
        .iter()
        .map(|f| f.to_string())
        .collect();
    assert_eq!(formats.len(), 12, "{formats:?}");
    assert!(formats.contains(&"MJPG 1280x720 at 60.0".to_owned()));
    assert!(formats.contains(&"YUYV 1280x720 at 10.0".to_owned()));
}
