//! Which microphones and loudspeakers there are, and which way to them.
//!
//! On Linux the sound server is asked first; where none runs, ALSA is. Elsewhere there is one way.

use std::collections::HashMap;
#[cfg(target_os = "linux")]
use std::sync::{Mutex, PoisonError};

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{HostId, SampleFormat};

#[cfg(target_os = "linux")]
use super::pulse::{Connection, NoServer, Node};
use super::{DeviceId, DeviceInfo};
use crate::error::{DeviceProblem, Error, InputRole};
use crate::frame::SAMPLE_RATE;

/// Frames asked for in one go from the sound server: it gives half of that at a time, 10 ms, the step
/// of everything else, and every piece costs cpal a question and an answer.
#[cfg(target_os = "linux")]
const RECORDED_FRAMES: u32 = 960;
/// Frames that the sound server asks for in one go, and holds twice: 30 ms, in which nobody hears that
/// this process was late.
#[cfg(target_os = "linux")]
const PLAYED_FRAMES: u32 = 720;

/// Lists what can record, the favourite first, copies of what a loudspeaker plays last.
///
/// Empty when there is none, which is normal.
///
/// # Errors
/// [`Error::Device`] when the system does not answer.
pub fn microphones() -> Result<Vec<DeviceInfo>, Error> {
    list(InputRole::Microphone)
}

/// Lists what can play, the favourite first.
///
/// Empty when there is none, which is normal.
///
/// # Errors
/// [`Error::Device`] when the system does not answer.
pub fn speakers() -> Result<Vec<DeviceInfo>, Error> {
    list(InputRole::Speaker)
}

fn list(role: InputRole) -> Result<Vec<DeviceInfo>, Error> {
    let listed = SoundSystem::reach().and_then(|mut system| system.list(role));
    listed.map_err(|problem| Error::device(role, "", problem))
}

/// The way to the devices.
pub(super) enum SoundSystem {
    #[cfg(target_os = "linux")]
    Server(Box<Connection>),
    Host(cpal::Host),
}

/// A device that was found, and how to run it.
pub(super) struct Found {
    pub(super) info: DeviceInfo,
    pub(super) device: cpal::Device,
    pub(super) config: cpal::StreamConfig,
    pub(super) format: SampleFormat,
    /// The way that leads to it, for the log and for counters.
    pub(super) by: &'static str,
    /// The server's number of it.
    #[cfg(target_os = "linux")]
    pub(super) index: Option<u32>,
}

impl SoundSystem {
    /// Finds the way: the sound server, or where none runs the devices themselves.
    pub(super) fn reach() -> Result<Self, DeviceProblem> {
        #[cfg(target_os = "linux")]
        {
            match Connection::open() {
                Ok(connection) => return Ok(Self::Server(Box::new(connection))),
                Err(NoServer::Silent(problem)) => return Err(problem),
                Err(NoServer::Absent) => {}
            }
            host(HostId::Alsa).map(Self::Host)
        }
        #[cfg(not(target_os = "linux"))]
        Ok(Self::Host(cpal::default_host()))
    }

    pub(super) fn list(&mut self, role: InputRole) -> Result<Vec<DeviceInfo>, DeviceProblem> {
        let infos = match self {
            #[cfg(target_os = "linux")]
            Self::Server(connection) => {
                let nodes = nodes(connection, role)?;
                infos(&nodes, role)
            }
            Self::Host(host) => host_infos(host, role)?,
        };
        Ok(arrange(infos))
    }

    /// Finds one device: the one that `id` names, or the favourite.
    pub(super) fn find(
        &mut self,
        role: InputRole,
        id: Option<&DeviceId>,
    ) -> Result<Found, DeviceProblem> {
        let info = self.list(role)?.into_iter().find(|info| match id {
            Some(id) => info.id == *id,
            None => info.is_default,
        });
        let info = info.ok_or(DeviceProblem::Absent)?;
        match self {
            #[cfg(target_os = "linux")]
            Self::Server(connection) => find_on_server(connection, role, info),
            Self::Host(host) => {
                let device = device(host, role, &info.id)?;
                let (config, format) = fitting(&device, role)?;
                Ok(Found {
                    by: host.id().name(),
                    info,
                    device,
                    config,
                    format,
                    #[cfg(target_os = "linux")]
                    index: None,
                })
            }
        }
    }
}

/// Turns what cpal says into what a person can act on.
pub(super) fn problem(error: &cpal::Error) -> DeviceProblem {
    use cpal::ErrorKind;
    match error.kind() {
        ErrorKind::DeviceBusy => DeviceProblem::Busy,
        ErrorKind::DeviceNotAvailable => DeviceProblem::Absent,
        ErrorKind::PermissionDenied => DeviceProblem::Denied,
        ErrorKind::UnsupportedConfig => DeviceProblem::Format,
        _ => DeviceProblem::Backend(error.to_string()),
    }
}

fn host(id: HostId) -> Result<cpal::Host, DeviceProblem> {
    cpal::host_from_id(id).map_err(|error| DeviceProblem::Backend(error.to_string()))
}

#[cfg(target_os = "linux")]
fn nodes(connection: &mut Connection, role: InputRole) -> Result<Vec<Node>, DeviceProblem> {
    match role {
        InputRole::Speaker => connection.sinks(),
        _ => connection.sources(),
    }
}

/// Names the server's devices.
///
/// A monitor is the favourite only beside real microphones: then somebody made it so. Alone, it was
/// taken for want of anything else, and whoever spoke would be sent back their own voice.
#[cfg(target_os = "linux")]
fn infos(nodes: &[Node], role: InputRole) -> Vec<DeviceInfo> {
    let has_real = nodes.iter().any(|node| !node.is_monitor);
    let infos = nodes.iter().map(|node| DeviceInfo {
        id: DeviceId::new(cpal::DeviceId::new(HostId::PulseAudio, &node.name).to_string()),
        name: name(&node.label, &node.name, role),
        is_default: node.is_default && (has_real || !node.is_monitor),
    });
    infos.collect()
}

#[cfg(target_os = "linux")]
fn find_on_server(
    connection: &mut Connection,
    role: InputRole,
    info: DeviceInfo,
) -> Result<Found, DeviceProblem> {
    let is_it = |node: &Node| {
        cpal::DeviceId::new(HostId::PulseAudio, &node.name).to_string() == info.id.as_str()
    };
    let node = nodes(connection, role)?.into_iter().find(is_it);
    let node = node.ok_or(DeviceProblem::Absent)?;
    let device = served_device(role, &info.id)?;
    // The server converts better than anyone, so it is asked for what the call needs.
    let config = cpal::StreamConfig {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        buffer_size: cpal::BufferSize::Fixed(match role {
            InputRole::Speaker => PLAYED_FRAMES,
            _ => RECORDED_FRAMES,
        }),
    };
    Ok(Found {
        info,
        device,
        config,
        format: SampleFormat::F32,
        by: "PulseAudio",
        index: Some(node.index),
    })
}

/// cpal's connection to the sound server, kept for the whole process: each one has a thread, and cpal
/// does not always end it. Forty switches of a microphone would leave half a dozen behind.
#[cfg(target_os = "linux")]
static SERVED: Mutex<Option<cpal::Host>> = Mutex::new(None);

#[cfg(target_os = "linux")]
fn served_device(role: InputRole, id: &DeviceId) -> Result<cpal::Device, DeviceProblem> {
    let mut served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(host) = served.as_ref()
        && let Ok(device) = device(host, role, id)
    {
        return Ok(device);
    }
    // There was none yet, or the server has been started anew since.
    let host = served.insert(host(HostId::PulseAudio)?);
    device(host, role, id)
}

/// Finds cpal's device of one direction: a source and a sink may bear the same name.
fn device(
    host: &cpal::Host,
    role: InputRole,
    id: &DeviceId,
) -> Result<cpal::Device, DeviceProblem> {
    devices(host, role)?
        .into_iter()
        .find(|device| {
            device
                .id()
                .is_ok_and(|found| found.to_string() == id.as_str())
        })
        .ok_or(DeviceProblem::Absent)
}

fn devices(host: &cpal::Host, role: InputRole) -> Result<Vec<cpal::Device>, DeviceProblem> {
    let found = match role {
        InputRole::Speaker => host.output_devices().map(Iterator::collect),
        _ => host.input_devices().map(Iterator::collect),
    };
    found.map_err(|error| problem(&error))
}

fn host_infos(host: &cpal::Host, role: InputRole) -> Result<Vec<DeviceInfo>, DeviceProblem> {
    let favourite = match role {
        InputRole::Speaker => host.default_output_device(),
        _ => host.default_input_device(),
    };
    let favourite = favourite.and_then(|device| device.id().ok());
    let mut infos = Vec::new();
    for device in devices(host, role)? {
        let Ok(id) = device.id() else { continue };
        if !is_for_people(&id) {
            continue;
        }
        infos.push(DeviceInfo {
            name: name(&device.to_string(), id.id(), role),
            is_default: favourite.as_ref() == Some(&id),
            id: DeviceId::new(id.to_string()),
        });
    }
    // Without a card, ALSA's own default leads nowhere.
    if infos.iter().all(|info| info.is_default) && host.id().name() == "ALSA" {
        infos.clear();
    }
    if !infos.iter().any(|info| info.is_default)
        && let Some(first) = infos.first_mut()
    {
        first.is_default = true;
    }
    Ok(infos)
}

/// ALSA lists every plug-in and every number of a card; a person knows the card.
fn is_for_people(id: &cpal::DeviceId) -> bool {
    if id.host().name() != "ALSA" {
        return true;
    }
    id.id() == "default" || id.id().starts_with("sysdefault:CARD=")
}

/// Picks a form of sound that needs the least converting.
fn fitting(
    device: &cpal::Device,
    role: InputRole,
) -> Result<(cpal::StreamConfig, SampleFormat), DeviceProblem> {
    let ranges: Vec<_> = match role {
        InputRole::Speaker => device.supported_output_configs().map(Iterator::collect),
        _ => device.supported_input_configs().map(Iterator::collect),
    }
    .map_err(|error| problem(&error))?;
    let best = ranges
        .into_iter()
        .filter(|range| rank(range.sample_format()).is_some())
        .min_by_key(|range| {
            (
                !range.contains_rate(SAMPLE_RATE),
                range.channels() > 2,
                rank(range.sample_format()),
                range.channels(),
            )
        });
    let range = best.ok_or(DeviceProblem::Format)?;
    let rate = SAMPLE_RATE.clamp(range.min_sample_rate(), range.max_sample_rate());
    let chosen = range.with_sample_rate(rate);
    let mut config = chosen.config();
    config.buffer_size = match chosen.buffer_size() {
        cpal::SupportedBufferSize::Range { min, max } => {
            cpal::BufferSize::Fixed((rate / 100).clamp(*min, *max))
        }
        cpal::SupportedBufferSize::Unknown => cpal::BufferSize::Default,
    };
    Ok((config, chosen.sample_format()))
}

/// Orders the sample formats that are understood, the best first.
fn rank(format: SampleFormat) -> Option<u8> {
    match format {
        SampleFormat::F32 => Some(0),
        SampleFormat::I16 => Some(1),
        SampleFormat::I32 => Some(2),
        SampleFormat::U16 => Some(3),
        SampleFormat::U8 => Some(4),
        _ => None,
    }
}

/// Gives a device a name that can be read, whatever it calls itself.
fn name(label: &str, id: &str, role: InputRole) -> String {
    let clean = |text: &str| {
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let candidates = [clean(label), clean(id)];
    let named = candidates.into_iter().find(|name| !name.is_empty());
    named.unwrap_or_else(|| match role {
        InputRole::Speaker => "Loudspeaker".to_owned(),
        _ => "Microphone".to_owned(),
    })
}

/// Puts the favourite first and tells apart what bears the same name.
fn arrange(mut infos: Vec<DeviceInfo>) -> Vec<DeviceInfo> {
    infos.sort_by_key(|info| !info.is_default);
    let mut seen: HashMap<String, u32> = HashMap::new();
    for info in &mut infos {
        let count = seen.entry(info.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            info.name = format!("{} ({count})", info.name);
        }
    }
    infos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    fn node(name: &str, is_monitor: bool, is_default: bool) -> Node {
        Node {
            index: 0,
            name: name.to_owned(),
            label: format!("The {name}"),
            is_monitor,
            is_default,
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_monitor_is_never_the_favourite_for_want_of_a_microphone() {
        let alone = infos(&[node("hall.monitor", true, true)], InputRole::Microphone);
        assert_eq!(alone.len(), 1);
        assert!(!alone[0].is_default);
        let chosen = [node("desk", false, false), node("hall.monitor", true, true)];
        let chosen = arrange(infos(&chosen, InputRole::Microphone));
        assert_eq!(chosen[0].name, "The hall.monitor");
        assert!(chosen[0].is_default);
    }

    #[test]
    fn a_device_without_a_name_gets_one() {
        assert_eq!(
            name("  USB\n Headset\t", "x", InputRole::Microphone),
            "USB Headset"
        );
        assert_eq!(
            name("\n", "front:CARD=0", InputRole::Speaker),
            "front:CARD=0"
        );
        assert_eq!(name("", " ", InputRole::Speaker), "Loudspeaker");
        assert_eq!(name("", "", InputRole::Microphone), "Microphone");
    }

    #[test]
    fn twins_can_be_told_apart_and_the_favourite_leads() {
        let info = |id: &str, is_default| DeviceInfo {
            id: DeviceId::new(id),
            name: "Headset".into(),
            is_default,
        };
        let names: Vec<_> = arrange(vec![info("a", false), info("b", true), info("c", false)])
            .into_iter()
            .map(|info| (info.id.to_string(), info.name))
            .collect();
        let expected = [("b", "Headset"), ("a", "Headset (2)"), ("c", "Headset (3)")];
        assert_eq!(
            names,
            expected.map(|(id, name)| (id.to_owned(), name.to_owned()))
        );
    }
}
