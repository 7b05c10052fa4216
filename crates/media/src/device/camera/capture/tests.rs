use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::device::camera::recorded::{Event, Recorded};

const SMALL: CameraWish = CameraWish {
    width: 640,
    height: 480,
    fps: 30,
};

/// A grey YUYV picture of 640x480.
fn picture(luma: u8, at_ms: u64) -> Event {
    Event::Picture([luma, 128].repeat(640 * 480), false, at_ms)
}

fn open(node: Recorded) -> Result<Capture, Error> {
    Capture::open(Box::new(node), "Webcam", SMALL, None)
}

fn with(events: impl IntoIterator<Item = Event>) -> Recorded {
    let mut node = Recorded::uvc();
    node.events.extend(events);
    node
}

fn luma(picture: &CapturedFrame) -> u8 {
    picture.frame.planes()[0][0]
}

fn problem(outcome: Result<impl Sized, Error>) -> DeviceProblem {
    match outcome.err() {
        Some(Error::Device {
            role: InputRole::Camera,
            name,
            problem,
        }) => {
            assert_eq!(name, "Webcam");
            problem
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn pictures_come_in_order_with_the_drivers_times() {
    let mut capture = open(with([
        picture(20, 5_000),
        Event::Nothing,
        picture(21, 5_033),
        Event::Nothing,
        picture(22, 5_067),
    ]))
    .unwrap();
    assert_eq!(capture.format().to_string(), "YUYV 640x480 at 30.0");
    for (value, at_ms) in [(20, 0), (21, 33), (22, 67)] {
        let picture = capture.next_frame().unwrap();
        assert_eq!(
            (luma(&picture), picture.at),
            (value, Duration::from_millis(at_ms))
        );
        assert!(picture.frame.check().is_ok());
    }
    assert_eq!(
        (capture.counters().pictures, capture.counters().damaged),
        (3, 0)
    );
}

#[test]
fn whoever_is_late_gets_the_newest_and_the_rest_is_counted() {
    let node = with([
        picture(20, 0),
        Event::Nothing,
        picture(21, 33),
        picture(22, 67),
        picture(23, 100),
        Event::Nothing,
    ]);
    let queued = Arc::clone(&node.queued);
    let mut capture = open(node).unwrap();
    capture.next_frame().unwrap();
    assert_eq!(luma(&capture.next_frame().unwrap()), 23);
    assert_eq!(capture.counters().replaced, 2);
    assert_eq!(
        queued.load(Relaxed),
        BUFFERS as i32,
        "every buffer was given back"
    );
}

#[test]
fn a_damaged_picture_is_left_out_and_counted() {
    let node = with([
        Event::Picture(vec![0; 640 * 480 * 2], true, 0),
        Event::Nothing,
        Event::Picture(vec![0; 1000], false, 33),
        Event::Nothing,
        picture(30, 67),
    ]);
    let queued = Arc::clone(&node.queued);
    let mut capture = open(node).unwrap();
    assert_eq!(luma(&capture.next_frame().unwrap()), 30);
    assert_eq!(
        (capture.counters().pictures, capture.counters().damaged),
        (1, 2)
    );
    assert_eq!(
        queued.load(Relaxed),
        BUFFERS as i32,
        "every buffer was given back"
    );
}

#[test]
fn a_picture_that_went_wrong_on_its_way_is_counted() {
    let node = with([Event::Fails(libc::EIO), picture(30, 33)]);
    let mut capture = open(node).unwrap();
    assert_eq!(luma(&capture.next_frame().unwrap()), 30);
    assert_eq!(capture.counters().damaged, 1);
}

#[test]
fn a_camera_that_is_pulled_out_says_so() {
    for end in [Event::Gone, Event::Fails(libc::ENODEV)] {
        let mut capture = open(with([picture(20, 0), Event::Nothing, end])).unwrap();
        capture.next_frame().unwrap();
        assert_eq!(problem(capture.next_frame()), DeviceProblem::Unplugged);
    }
}

#[test]
fn silence_is_told_from_being_gone() {
    let mut capture = open(with([picture(20, 0)])).unwrap();
    capture.next_frame().unwrap();
    assert!(matches!(
        problem(capture.next_frame()),
        DeviceProblem::Backend(_)
    ));
    let mut node = with([picture(20, 0)]);
    node.is_gone = true;
    let mut capture = open(node).unwrap();
    capture.next_frame().unwrap();
    assert_eq!(problem(capture.next_frame()), DeviceProblem::Unplugged);
    // One that never gives a picture does not open.
    assert!(matches!(problem(open(with([]))), DeviceProblem::Backend(_)));
}

#[test]
fn what_another_program_streams_from_is_busy() {
    let mut node = with([picture(20, 0)]);
    node.on_start
        .push_back(Err(io::Error::from_raw_os_error(libc::EBUSY)));
    let open_flag = Arc::clone(&node.open);
    let error = open(node).err().unwrap();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("camera_busy", "another program is using the camera",)
    );
    assert!(
        !open_flag.load(Relaxed),
        "a camera that cannot be had is closed"
    );
}

#[test]
fn a_cable_that_is_too_thin_gets_smaller_pictures() {
    let mut node = Recorded::uvc();
    node.on_start
        .push_back(Err(io::Error::from_raw_os_error(libc::ENOSPC)));
    node.events
        .push_back(Event::Picture([40, 128].repeat(320 * 240), false, 0));
    let capture = open(node).unwrap();
    assert_eq!(capture.format().to_string(), "YUYV 320x240 at 30.0");
    let mut node = Recorded::uvc();
    for _ in 0..3 {
        node.on_start
            .push_back(Err(io::Error::from_raw_os_error(libc::ENOSPC)));
    }
    assert!(matches!(problem(open(node)), DeviceProblem::Backend(_)));
}

#[test]
fn dropping_a_camera_closes_it() {
    let node = with([picture(20, 0)]);
    let open_flag = Arc::clone(&node.open);
    let capture = open(node).unwrap();
    assert!(open_flag.load(Relaxed));
    drop(capture);
    assert!(!open_flag.load(Relaxed));
}
