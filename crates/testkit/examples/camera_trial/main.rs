//! Tries the camera on a real kernel: run as root in a machine of its own, it loads and unloads the
//! kernel's test camera (vivid) and checks what [`Camera`] makes of it.
//!
//! `cargo xtask test --slow` boots such a machine and runs this in it. It is no `#[test]`, because
//! on anybody's own machine it has no business.

mod call;
mod vivid;

use std::error::Error;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use snug_media::VideoSource;
use snug_media::device::DeviceId;
use snug_media::device::camera::{Camera, CameraWish, PixelFormat, list, mark, offers};

use vivid::{PATIENCE, ensure, load, plug, unload};

type Failure = Box<dyn Error + Send + Sync>;
type Outcome = Result<(), Failure>;

/// What is shown, and what shows it.
type Trial = (&'static str, fn() -> Outcome);

const TRIALS: &[Trial] = &[
    (
        "without a camera the list is empty and opening says so",
        nothing,
    ),
    (
        "a camera that is plugged in appears, and marks show it",
        plugged_in,
    ),
    ("its odd state at power-on does not matter", power_on),
    (
        "it opens in every format it offers and we know, in the right colours",
        every_format,
    ),
    (
        "it opens in every size, and another size after it",
        every_size,
    ),
    ("rates are what the driver says, odd ones too", rates),
    (
        "a format it does not offer is refused kindly",
        foreign_format,
    ),
    (
        "a second program finds it busy, until the first lets go",
        busy,
    ),
    ("a dropped camera is free for the kernel too", freed),
    (
        "pulled out during capture it is unplugged, and comes back as the same",
        unplugged,
    ),
    (
        "two of a kind can be told apart and run together",
        two_of_a_kind,
    ),
    (
        "pulled out during a call the others see it go, and come back",
        call::unplugged,
    ),
    (
        "switched off in a call it is free, and on again it is seen",
        call::off_and_on,
    ),
    ("a user without rights is told so", denied),
];

fn main() {
    if std::env::args().nth(1).as_deref() == Some("as-nobody") {
        return as_nobody();
    }
    let (mut passed, mut failed) = (0, 0);
    for (name, trial) in TRIALS {
        let started = Instant::now();
        let outcome = trial();
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => {
                passed += 1;
                println!("test {name} ... ok ({seconds:.1} s)");
            }
            Err(error) => {
                failed += 1;
                println!("test {name} ... FAILED: {error}");
            }
        }
        // Whatever a trial left behind is not the next one's business.
        drop(unload());
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {word}. {passed} passed; {failed} failed;");
    std::io::stdout().flush().ok();
    std::process::exit(i32::from(failed > 0));
}

fn nothing() -> Outcome {
    ensure(list()?.is_empty(), || format!("{:?} without any", list()))?;
    expect_code(Camera::open(None, CameraWish::default()), "camera_absent")
}

fn plugged_in() -> Outcome {
    let before = mark();
    load(1)?;
    let with_one = mark();
    ensure(before != with_one, || "the mark did not change".into())?;
    let cameras = list()?;
    ensure(cameras.len() == 1, || format!("{cameras:?}"))?;
    ensure(cameras[0].name == "vivid" && cameras[0].is_default, || {
        format!("{cameras:?}")
    })?;
    drop(Camera::open(None, CameraWish::default())?);
    ensure(mark() == with_one, || {
        "using a camera changed its mark".into()
    })?;
    unload()?;
    ensure(mark() == before && list()?.is_empty(), || {
        "it stayed".into()
    })?;
    load(1)?;
    ensure(list()? == cameras, || format!("came back as {:?}", list()))
}

fn power_on() -> Outcome {
    load(1)?;
    let mut camera = Camera::open(None, CameraWish::default())?;
    let format = camera.format();
    println!("     wished for 1280x720 at 30, agreed on {format}");
    // It does 720 rows only at 12.5 a second: fewer of them at the full rate serve better.
    ensure(format.to_string() == "YU12 640x360 at 30.0", || {
        format.to_string()
    })?;
    take(&mut camera, 5)
}

fn every_format() -> Outcome {
    load(1)?;
    let mut formats: Vec<PixelFormat> = offers(None)?.iter().map(|offer| offer.pixels).collect();
    formats.sort_unstable();
    formats.dedup();
    let raw = PixelFormat::ALL
        .into_iter()
        .filter(|pixels| !pixels.is_compressed());
    let missing: Vec<_> = raw.filter(|pixels| !formats.contains(pixels)).collect();
    ensure(missing.is_empty(), || {
        format!("vivid offers no {missing:?}")
    })?;
    for pixels in formats {
        let mut camera = Camera::open_as(None, SMALL, pixels)?;
        ensure(camera.format().pixels == pixels, || {
            camera.format().to_string()
        })?;
        let worst = colours(&mut camera)?;
        println!("     {}: colours off by {worst} at most", camera.format());
        ensure(worst <= 6, || format!("{pixels}: colours off by {worst}"))?;
        take(&mut camera, 3)?;
    }
    Ok(())
}

const SMALL: CameraWish = CameraWish {
    width: 640,
    height: 360,
    fps: 30,
};

fn every_size() -> Outcome {
    load(1)?;
    let mut offered = offers(None)?;
    offered.retain(|offer| offer.pixels == PixelFormat::Yuyv);
    ensure(offered.len() >= 4, || format!("{offered:?}"))?;
    // Up, down, and up again: each time on a device that stands at another size.
    let again = offered[..2].to_vec();
    for offer in offered.into_iter().chain(again) {
        let wish = CameraWish {
            width: offer.width,
            height: offer.height,
            fps: offer.fps as u32,
        };
        let mut camera = Camera::open(None, wish)?;
        println!("     {}", camera.format());
        ensure(camera.size() == (offer.width, offer.height), || {
            format!("wished for {offer}, agreed on {}", camera.format())
        })?;
        take(&mut camera, 2)?;
    }
    let odd = CameraWish {
        width: 650,
        height: 500,
        fps: 25,
    };
    let agreed = Camera::open(None, odd)?.format();
    ensure(agreed.to_string() == "YU12 640x480 at 25.0", || {
        agreed.to_string()
    })
}

fn rates() -> Outcome {
    load(1)?;
    for (fps, agreed) in [(5, 5.0), (12, 12.5), (25, 25.0), (60, 40.0)] {
        let mut camera = Camera::open(None, CameraWish { fps, ..SMALL })?;
        let format = camera.format();
        ensure((format.fps - agreed).abs() < 0.01, || {
            format!("{fps} became {format}")
        })?;
        take(&mut camera, 2)?;
    }
    Ok(())
}

fn foreign_format() -> Outcome {
    load(1)?;
    expect_code(
        Camera::open_as(None, SMALL, PixelFormat::Mjpg),
        "camera_format",
    )
}

fn busy() -> Outcome {
    load(1)?;
    let mut first = Camera::open(None, SMALL)?;
    expect_code(Camera::open(None, SMALL), "camera_busy")?;
    ensure(list()?.len() == 1, || {
        "a busy camera is still a camera".into()
    })?;
    take(&mut first, 3)?;
    drop(first);
    take(&mut Camera::open(None, SMALL)?, 3)
}

fn freed() -> Outcome {
    load(1)?;
    let mut camera = Camera::open(None, SMALL)?;
    take(&mut camera, 2)?;
    ensure(unload().is_err(), || {
        "a camera in use can be unloaded".into()
    })?;
    let mapped = || std::fs::read_to_string("/proc/self/maps").map(|m| m.contains("/dev/video"));
    ensure(mapped()?, || {
        "no buffer is mapped, so this looks at the wrong thing".into()
    })?;
    drop(camera);
    ensure(!mapped()?, || "a buffer is still mapped".into())?;
    // The kernel only lets go of a driver that nobody holds open.
    unload()
}

fn unplugged() -> Outcome {
    load(1)?;
    let known = list()?;
    let mut camera = Camera::open(Some(&known[0].id), SMALL)?;
    take(&mut camera, 3)?;
    let before = mark();
    let puller = std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(300));
        plug("unbind")
    });
    let started = Instant::now();
    let error = loop {
        match camera.next_frame() {
            Ok(_) if started.elapsed() < PATIENCE => {}
            Ok(_) => return Err("it goes on without a device".into()),
            Err(error) => break error,
        }
    };
    println!(
        "     after {:.1} s: {error}",
        started.elapsed().as_secs_f64()
    );
    puller.join().map_err(|_| "the puller failed")??;
    ensure(error.code() == "camera_unplugged", || error.to_string())?;
    ensure(error.to_string() == "vivid was unplugged", || {
        error.to_string()
    })?;
    ensure(mark() != before && list()?.is_empty(), || {
        format!("{:?}", list())
    })?;
    expect_code(Camera::open(Some(&known[0].id), SMALL), "camera_absent")?;
    // The old one is still held while the new one comes.
    plug("bind")?;
    ensure(list()? == known, || format!("came back as {:?}", list()))?;
    take(&mut Camera::open(Some(&known[0].id), SMALL)?, 3)?;
    expect_code(camera.next_frame(), "camera_unplugged")?;
    drop(camera);
    take(&mut Camera::open(Some(&known[0].id), SMALL)?, 3)?;
    unload()
}

fn two_of_a_kind() -> Outcome {
    load(2)?;
    let cameras = list()?;
    let names: Vec<&str> = cameras.iter().map(|camera| camera.name.as_str()).collect();
    ensure(names == ["vivid", "vivid (2)"], || format!("{cameras:?}"))?;
    let mut first = Camera::open(Some(&cameras[0].id), SMALL)?;
    let mut second = Camera::open(Some(&cameras[1].id), SMALL)?;
    take(&mut first, 3)?;
    take(&mut second, 3)?;
    let elsewhere = DeviceId::new("platform:vivid-009 vivid");
    expect_code(Camera::open(Some(&elsewhere), SMALL), "camera_absent")
}

fn denied() -> Outcome {
    load(1)?;
    let nobody = 65534;
    let said = Command::new(std::env::current_exe()?)
        .arg("as-nobody")
        .uid(nobody)
        .output()?;
    let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let wanted =
        "[\"vivid-000-vid-cap\"] camera_denied: this computer does not let Snug use the camera";
    ensure(said == wanted, || said.clone())
}

/// What somebody without rights to the camera sees of it.
fn as_nobody() {
    let names: Vec<String> = list()
        .into_iter()
        .flatten()
        .map(|camera| camera.name)
        .collect();
    match Camera::open(None, SMALL) {
        Ok(_) => println!("{names:?} opened"),
        Err(error) => println!("{names:?} {}: {error}", error.code()),
    }
}

/// Takes pictures and checks that they are whole and in order.
fn take(camera: &mut Camera, pictures: usize) -> Outcome {
    let mut last = None;
    for _ in 0..pictures {
        let picture = camera.next_frame()?.ok_or("it ended")?;
        picture.frame.check()?;
        ensure(
            (picture.frame.width, picture.frame.height) == camera.size(),
            || format!("{}x{}", picture.frame.width, picture.frame.height),
        )?;
        ensure(last.is_none_or(|last| last < picture.at), || {
            format!("{:?} after {last:?}", picture.at)
        })?;
        last = Some(picture.at);
    }
    let counters = camera.counters();
    ensure(counters.damaged == 0, || format!("{counters:?}"))
}

/// Says by how much the eight bars that vivid paints are off what they should be in limited
/// BT.601, at most; looks below the text that it writes over them.
fn colours(camera: &mut Camera) -> Result<u8, Failure> {
    let picture = camera.next_frame()?.ok_or("it ended")?.frame;
    let (chroma_width, _) = picture.chroma_size();
    let row = picture.height as usize * 3 / 4;
    let [y, u, v] = picture.planes();
    let mut worst = 0;
    for bar in 0..8usize {
        // White, yellow, cyan, green, magenta, red, blue, black, at three quarters.
        let light = |on: bool| if on { 191.0 } else { 0.0 };
        let [r, g, b] = [bar & 2 == 0, bar & 4 == 0, bar & 1 == 0].map(light);
        let wanted = [
            16.0 + 0.2568 * r + 0.5041 * g + 0.0979 * b,
            128.0 - 0.1482 * r - 0.2910 * g + 0.4392 * b,
            128.0 + 0.4392 * r - 0.3678 * g - 0.0714 * b,
        ];
        let column = (2 * bar + 1) * picture.width as usize / 16;
        let chroma = row / 2 * chroma_width + column / 2;
        let found = [
            y[row * picture.width as usize + column],
            u[chroma],
            v[chroma],
        ];
        for (found, wanted) in found.into_iter().zip(wanted) {
            worst = worst.max(found.abs_diff(wanted as u8));
        }
    }
    Ok(worst)
}

fn expect_code<T>(outcome: Result<T, snug_media::Error>, code: &str) -> Outcome {
    match outcome {
        Ok(_) => Err(format!("it went well instead of {code}").into()),
        Err(error) => ensure(error.code() == code, || {
            format!("{}: {error}", error.code())
        }),
    }
}
