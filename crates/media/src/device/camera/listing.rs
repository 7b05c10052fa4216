//! Which cameras there are, what they are called, and opening the one that was meant.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(super) use super::capture::Capture;
use super::kernel::KernelNode;
use super::negotiate;
use super::node::{Capability, Node, problem_at_open};
use super::{CameraFormat, CameraWish, PixelFormat};
use crate::device::{DeviceId, DeviceInfo};
use crate::error::{DeviceProblem, Error, InputRole};

const DEVICES: &str = "/dev";
const CLASS: &str = "/sys/class/video4linux";

/// What the nodes of cameras look like from outside. While it stays equal, so do the cameras;
/// comparing costs a directory and no device is touched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark(Vec<(PathBuf, u64, i64, i64)>);

/// Looks which cameras there may be.
#[must_use]
pub fn mark() -> Mark {
    let nodes = nodes(Path::new(DEVICES));
    Mark(
        nodes
            .into_iter()
            .filter_map(|(_, path)| {
                // The time changes with the rights to it, which come a moment after the node.
                let about = fs::metadata(&path).ok()?;
                Some((path, about.ino(), about.ctime(), about.ctime_nsec()))
            })
            .collect(),
    )
}

pub(super) fn list() -> Result<Vec<DeviceInfo>, Error> {
    Ok(found().into_iter().map(|found| found.info).collect())
}

pub(super) fn open(
    id: Option<&DeviceId>,
    wish: CameraWish,
    only: Option<PixelFormat>,
) -> Result<(DeviceInfo, Capture), Error> {
    let (found, node) = open_node(id)?;
    let capture = Capture::open(Box::new(node), &found.info.name, wish, only)?;
    Ok((found.info, capture))
}

pub(super) fn offers(id: Option<&DeviceId>) -> Result<Vec<CameraFormat>, Error> {
    Ok(negotiate::formats(&open_node(id)?.1))
}

fn open_node(id: Option<&DeviceId>) -> Result<(Found, KernelNode), Error> {
    let failed = |name: &str, problem| Error::device(InputRole::Camera, name, problem);
    let found = choose(found(), id).ok_or_else(|| failed("", DeviceProblem::Absent))?;
    let node = KernelNode::open(&found.path)
        .map_err(|error| failed(&found.info.name, problem_at_open(&error)))?;
    Ok((found, node))
}

/// A camera and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    info: DeviceInfo,
    path: PathBuf,
}

/// What a node told, before it is known whether it is a camera.
#[derive(Debug, Clone)]
struct Probe {
    path: PathBuf,
    capability: Capability,
    /// Whether it offers a format that is understood.
    usable: bool,
}

fn found() -> Vec<Found> {
    let probes = nodes(Path::new(DEVICES)).into_iter();
    name_all(
        probes
            .filter_map(|(number, path)| probe(number, path))
            .collect(),
    )
}

/// Finds the nodes of video devices by their names, in the order of their numbers.
fn nodes(devices: &Path) -> Vec<(u32, PathBuf)> {
    // No /dev, no cameras.
    let entries = fs::read_dir(devices).into_iter().flatten().flatten();
    let mut nodes: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix("video")?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    nodes.sort_unstable();
    nodes
}

fn probe(number: u32, path: PathBuf) -> Option<Probe> {
    match KernelNode::open(&path) {
        Ok(node) => {
            let capability = node.capability().ok()?;
            let usable = capability.captures && negotiate::is_usable(&node);
            Some(Probe {
                path,
                capability,
                usable,
            })
        }
        // It is shown all the same, so that choosing it can say what is in the way.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            denied(Path::new(CLASS), number, path)
        }
        Err(_) => None,
    }
}

/// Reads from outside what a node will not tell: its name, and whether it is the first of its
/// device; the others are metadata and the like.
fn denied(class: &Path, number: u32, path: PathBuf) -> Option<Probe> {
    let about = class.join(format!("video{number}"));
    let read = |file| fs::read_to_string(about.join(file)).ok();
    let card = read("name")?.trim().to_owned();
    (read("index")?.trim() == "0").then(|| Probe {
        path,
        capability: Capability {
            card,
            bus: "denied".to_owned(),
            captures: true,
        },
        usable: true,
    })
}

/// Chooses the nodes that are cameras to a person, and names them.
///
/// A device may have several nodes: one for colour, one for infrared, one for each step of a chip's
/// pipeline. Those that give nothing understood are left out, but a device with nothing else is
/// shown once, at the end, so that choosing it says why it cannot be used.
fn name_all(probes: Vec<Probe>) -> Vec<Found> {
    let cameras = || probes.iter().filter(|probe| probe.capability.captures);
    let usable: Vec<&Probe> = cameras().filter(|probe| probe.usable).collect();
    let mut shown = usable;
    for probe in cameras().filter(|probe| !probe.usable) {
        if shown
            .iter()
            .all(|one| one.capability.bus != probe.capability.bus)
        {
            shown.push(probe);
        }
    }
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut count = |text: &str| {
        let count = seen.entry(text.to_owned()).or_default();
        *count += 1;
        *count
    };
    let mut found = Vec::new();
    for probe in shown {
        let Capability { card, bus, .. } = &probe.capability;
        let (mut id, mut name) = (format!("{bus} {card}"), tidy(card));
        match count(&format!("id {id}")) {
            1 => {}
            n => id = format!("{id} #{n}"),
        }
        match count(&format!("name {name}")) {
            1 => {}
            n => name = format!("{name} ({n})"),
        }
        found.push(Found {
            info: DeviceInfo {
                id: DeviceId::new(id),
                name,
                is_default: found.is_empty(),
            },
            path: probe.path.clone(),
        });
    }
    found
}

/// Makes a name for people of the kernel's: UVC says "Camera: Camera", cut after 31 letters.
fn tidy(card: &str) -> String {
    let name = match card.split_once(": ") {
        Some((device, function)) if device.starts_with(function.trim()) => device,
        _ => card,
    };
    let name = name.trim().trim_end_matches(':');
    if name.is_empty() { "Camera" } else { name }.to_owned()
}

/// Finds the one that `id` means, or the first. One that is in another socket now is known by the
/// rest of its id, if only one can be meant.
fn choose(mut found: Vec<Found>, id: Option<&DeviceId>) -> Option<Found> {
    let Some(id) = id else {
        return (!found.is_empty()).then(|| found.remove(0));
    };
    if let Some(place) = found.iter().position(|one| one.info.id == *id) {
        return Some(found.remove(place));
    }
    let card = |id: &DeviceId| id.as_str().split_once(' ').map(|(_, card)| card.to_owned());
    let wanted = card(id)?;
    found.retain(|one| card(&one.info.id).as_ref() == Some(&wanted));
    (found.len() == 1).then(|| found.remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(number: u32, bus: &str, card: &str, captures: bool, usable: bool) -> Probe {
        Probe {
            path: format!("/dev/video{number}").into(),
            capability: Capability {
                card: card.into(),
                bus: bus.into(),
                captures,
            },
            usable,
        }
    }

    fn names(found: &[Found]) -> Vec<&str> {
        found.iter().map(|one| one.info.name.as_str()).collect()
    }

    /// A laptop: colour, its metadata, infrared, its metadata, and a camera that was plugged in.
    fn laptop() -> Vec<Found> {
        let bus = "usb-0000:00:14.0-8";
        name_all(vec![
            probe(0, bus, "Integrated Camera: Integrated C", true, true),
            probe(1, bus, "Integrated Camera: Integrated C", false, false),
            probe(2, bus, "Integrated Camera: Integrated I", true, false),
            probe(3, bus, "Integrated Camera: Integrated I", false, false),
            probe(4, "usb-0000:00:14.0-2", "HD Pro Webcam C920", true, true),
        ])
    }

    #[test]
    fn a_laptop_has_the_cameras_that_people_see() {
        let found = laptop();
        assert_eq!(names(&found), ["Integrated Camera", "HD Pro Webcam C920"]);
        assert!(found[0].info.is_default && !found[1].info.is_default);
        assert_eq!(
            found[1].info.id.as_str(),
            "usb-0000:00:14.0-2 HD Pro Webcam C920"
        );
        assert_eq!(found[1].path, Path::new("/dev/video4"));
    }

    #[test]
    fn a_chip_with_many_nodes_and_no_usable_one_is_shown_once_and_last() {
        let mut probes: Vec<Probe> = (0..9)
            .map(|n| {
                probe(
                    n,
                    "PCI:0000:00:05.0",
                    &format!("ipu6 capture {n}"),
                    true,
                    false,
                )
            })
            .collect();
        probes.push(probe(9, "usb-1", "Webcam", true, true));
        assert_eq!(names(&name_all(probes)), ["Webcam", "ipu6 capture 0"]);
    }

    #[test]
    fn two_of_a_kind_can_be_told_apart() {
        let found = name_all(vec![
            probe(0, "usb-1", "Webcam", true, true),
            probe(2, "usb-2", "Webcam", true, true),
            probe(4, "usb-2", "Webcam", true, true),
        ]);
        assert_eq!(names(&found), ["Webcam", "Webcam (2)", "Webcam (3)"]);
        let ids: Vec<&str> = found.iter().map(|one| one.info.id.as_str()).collect();
        assert_eq!(ids, ["usb-1 Webcam", "usb-2 Webcam", "usb-2 Webcam #2"]);
    }

    #[test]
    fn a_choice_survives_another_socket_but_not_a_guess() {
        let path = |id: Option<&str>| {
            let id = id.map(DeviceId::new);
            choose(laptop(), id.as_ref()).map(|found| found.path)
        };
        let plugged = Some(PathBuf::from("/dev/video4"));
        assert_eq!(path(None), Some("/dev/video0".into()));
        assert_eq!(path(Some("usb-0000:00:14.0-2 HD Pro Webcam C920")), plugged);
        assert_eq!(path(Some("usb-0000:00:14.0-3 HD Pro Webcam C920")), plugged);
        assert_eq!(path(Some("usb-0000:00:14.0-2 Other")), None);
        assert_eq!(path(Some("nonsense")), None);
        let twins = name_all(vec![
            probe(0, "usb-1", "Webcam", true, true),
            probe(2, "usb-2", "Webcam", true, true),
        ]);
        assert_eq!(choose(twins, Some(&DeviceId::new("usb-9 Webcam"))), None);
    }

    #[test]
    fn odd_names_become_names() {
        assert_eq!(tidy("HD Webcam: HD Webcam"), "HD Webcam");
        assert_eq!(tidy("OBS: Virtual"), "OBS: Virtual");
        assert_eq!(tidy("Cam Link 4K: "), "Cam Link 4K");
        assert_eq!(tidy(""), "Camera");
    }

    #[test]
    fn nodes_are_found_by_name_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["video10", "video2", "videodev", "video", "vbi0", "video0"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let numbers: Vec<u32> = nodes(folder.path()).into_iter().map(|(n, _)| n).collect();
        assert_eq!(numbers, [0, 2, 10]);
        assert!(nodes(Path::new("/nowhere")).is_empty());
    }

    #[test]
    fn a_denied_camera_is_shown_by_the_name_the_system_gives() {
        let class = tempfile::tempdir().unwrap();
        for (node, index) in [("video0", "0\n"), ("video1", "1\n")] {
            let folder = class.path().join(node);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("name"), "HD Webcam: HD Webcam\n").unwrap();
            fs::write(folder.join("index"), index).unwrap();
        }
        let probes =
            (0..3).filter_map(|n| denied(class.path(), n, format!("/dev/video{n}").into()));
        let found = name_all(probes.collect());
        assert_eq!(names(&found), ["HD Webcam"]);
        // What was chosen while it was denied is found once it is not.
        let open = name_all(vec![probe(0, "usb-1", "HD Webcam: HD Webcam", true, true)]);
        assert!(choose(open, Some(&found[0].info.id)).is_some());
    }

    #[test]
    fn the_mark_stays_while_nothing_changes() {
        assert_eq!(mark(), mark());
    }
}
