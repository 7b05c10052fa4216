//! What a whole call of two costs those who are in it: with Snug, and in two tabs of a browser.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use snug_testkit::browser::{Browser, Kind, ORIGINS};
use snug_testkit::fixtures;
use snug_testkit::netns::{Host, Lan, has_rights};
use snug_testkit::process::{Join, PATIENCE, Server};
use snug_testkit::usage;

const SERVER: &str = "10.97.0.1";
const PORT: u16 = 7684;
/// Until everybody sends what they will.
const SETTLING: Duration = Duration::from_secs(8);
const MEASURED: Duration = Duration::from_secs(8);

/// Shares of one core.
pub struct Cost {
    pub ours: f64,
    pub browser: f64,
}

/// Lets two people see and hear each other in 720p, once with Snug and once in a browser, in a
/// network of their own. Both show what comes: Snug decodes it, the browser paints it too.
pub fn measure() -> Result<Cost> {
    ensure!(has_rights(), "only root can make a network: run it as root");
    let mut lan = Lan::new()?;
    let host = lan.host(&[&format!("{SERVER}/24")])?;
    let guests = lan.host(&["10.97.0.2/24"])?;
    let port = PORT.to_string();
    let mut arguments = vec!["--port", &port, "--allow-plain-ws"];
    arguments.extend(ORIGINS.iter().flat_map(|it| ["--allow-origin", *it]));
    let server = Server::start_with(Some(&host.namespace), &arguments)?;
    Ok(Cost {
        ours: with_snug(&server, &guests)?,
        browser: in_a_browser(&guests)?,
    })
}

fn with_snug(server: &Server, guests: &Host) -> Result<f64> {
    let link = server.link_by(SERVER, "snug");
    let join = |name| {
        Join::new(&link, name)
            .camera(fixtures::film_720())
            .microphone(fixtures::speech())
            .start_in(Some(&guests.namespace))
    };
    let people = [join("Ann")?, join("Bob")?];
    let ids = [people[0].joined()?, people[1].joined()?];
    people[0].first_frame(&ids[1], "video", PATIENCE)?;
    people[1].first_frame(&ids[0], "video", PATIENCE)?;
    let processes = people.each_ref().map(|person| person.program.id());
    let share = share(|| Ok(processes.to_vec()))?;
    for person in people {
        person.leave()?;
    }
    Ok(share)
}

fn in_a_browser(guests: &Host) -> Result<f64> {
    let browser = Browser::start(Kind::Chromium, &guests.namespace)?;
    let pages = [browser.open("Ann")?, browser.open("Bob")?];
    for page in &pages {
        let options = json!({
            "phoenix": "phoenix-1.8",
            "client": "membrane-0.7.1",
            "url": format!("ws://{SERVER}:{PORT}/socket"),
            "room": "browser",
            "name": page.name(),
        });
        page.run(&format!("snug.join({options})"))?;
        page.run(
            "snug.addCamera({width: 1280, height: 720, frameRate: 25, encodings: ['l', 'm', 'h']})",
        )?;
        page.run("snug.addMicrophone()")?;
    }
    for page in &pages {
        let sees = "[...snug.others.keys()].some((id) => snug.receives(id, 'video', 1))";
        page.until("the other", PATIENCE, sees)?;
    }
    let share = share(|| Ok(browser.processes()))?;
    browser.close(&[])?;
    Ok(share)
}

/// Says which share of a core some processes use.
fn share(processes: impl Fn() -> Result<Vec<u32>>) -> Result<f64> {
    std::thread::sleep(SETTLING);
    let processes = processes()?;
    ensure!(!processes.is_empty(), "nobody is there");
    let used = || -> Result<Duration> {
        processes
            .iter()
            .map(|process| usage::processor_time(*process))
            .sum()
    };
    let before = used()?;
    std::thread::sleep(MEASURED);
    let took = used()?.checked_sub(before).context("time went backwards")?;
    Ok(took.as_secs_f64() / MEASURED.as_secs_f64())
}
