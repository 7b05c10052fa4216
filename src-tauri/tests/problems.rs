//! Every way that ends before the door says what happened and the next step, in the words of the
//! page's catalogue. The words stand here a second time on purpose: what a person reads is what
//! is promised.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Result;
use snug_testkit::netns::{Lan, with_rights};
use snug_testkit::process::{PATIENCE, Server};
use snug_testkit::proxy::{Identity, Proxy};
use snug_testkit::window::Window;

use crate::desk::{join, opening};

/// How long the app asks before it says that there is no answer, and some.
const SILENCE: Duration = Duration::from_secs(15);

/// Tries to join and reads what is said instead; then returns home.
fn told(window: &Window, text: &str, title: &str, hint: &str) -> Result<()> {
    join(window, text)?;
    window.reads("problem", &format!("{title} {hint}"), SILENCE)?;
    window.click("home-button")?;
    window.sees("home")
}

#[test]
fn nobody_listens_and_the_host_is_unknown() -> Result<()> {
    let window = opening().open()?;
    // Bound and dropped: a port where nobody listens.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    told(
        &window,
        &format!("127.0.0.1:{port}/Den"),
        &format!("127.0.0.1:{port} is there, but Snug is not open on it."),
        "Ask the host to open the room, or check the link.",
    )?;
    told(
        &window,
        "no-such-computer.invalid/Den",
        "This network knows no computer called no-such-computer.invalid:7684.",
        "Check the name, or use the address that the host's Snug shows.",
    )
}

#[test]
fn nobody_answers() -> Result<()> {
    with_rights(|| {
        let mut lan = Lan::new()?;
        let host = lan.host(&["10.77.0.1/24"])?;
        // A neighbour that is known and gone: packets leave, nothing comes back.
        let neighbour = ["10.77.0.9", "lladdr", "02:00:00:00:00:09", "dev", "lan0"];
        host.namespace
            .ip(&[&["neigh", "add"], &neighbour[..]].concat())?;
        let window = opening().namespace(&host.namespace).open()?;
        join(&window, "10.77.0.9/Den")?;
        window.sees("joining")?;
        window.reads("joining", "Reaching the host", PATIENCE)?;
        window.reads(
            "problem",
            "No answer from 10.77.0.9:7684. Is Snug open on that computer? Is its firewall on?",
            SILENCE,
        )?;
        window.click("try-again")?;
        window.reads("joining", "Reaching the host", PATIENCE)?;
        window.click("cancel")?;
        window.sees("home")
    })
}

#[test]
fn there_is_no_way_to_the_host() -> Result<()> {
    with_rights(|| {
        let mut lan = Lan::new()?;
        let host = lan.host(&["10.77.0.1/24"])?;
        let window = opening().namespace(&host.namespace).open()?;
        told(
            &window,
            "192.0.2.1/Den",
            "There is no way from this computer to 192.0.2.1:7684.",
            "Join the network of that computer, then try again.",
        )
    })
}

#[test]
fn the_key_is_another_than_in_the_link_or_last_time() -> Result<()> {
    let window = opening().open()?;
    let server = Server::start()?;
    let place = format!("127.0.0.1:{}", server.port);
    let wrong = server
        .link("Den")
        .replace(&server.fingerprint, &Identity::new()?.pin());
    told(
        &window,
        &wrong,
        &format!("{place} is not the computer this link was made for."),
        "Ask the host for a new link.",
    )?;

    join(&window, &format!("{place}/Den"))?;
    window.sees("room")?;
    window.click("leave-button")?;
    window.click("leave-confirm")?;
    window.sees("home")?;
    let port = server.port.to_string();
    drop(server);
    let _other = Server::start_with(None, &["--port", &port])?;
    told(
        &window,
        &format!("{place}/Den"),
        "This is not the computer you joined last time.",
        &format!("If {place} moved to a new one, ask for its link and join with that."),
    )
}

#[test]
fn the_room_is_not_there_or_it_is_no_room_at_all() -> Result<()> {
    let window = opening().open()?;
    let server = Server::start_with(None, &["--rooms", "listed"])?;
    let place = format!("127.0.0.1:{}", server.port);
    told(
        &window,
        &server.link("Attic"),
        &format!("There is no room called Attic on {place}."),
        "Check the name, or ask the host to open it.",
    )?;
    let identity = Identity::new()?;
    let shop = Proxy::answering(
        &identity,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nShop!",
    )?;
    told(
        &window,
        &format!("{}/Den", shop.address),
        &format!("{} answers, but it is not a Snug room.", shop.address),
        "Check the address in the link.",
    )
}

#[test]
fn what_cannot_be_joined_is_said_beside_the_field() -> Result<()> {
    let window = opening().name("").open()?;
    // Without a name nobody goes in, by either door.
    window.click("host-button")?;
    window.reads(
        "home",
        "Say your name first, so that the others know who comes in.",
        PATIENCE,
    )?;
    window.until(
        "focus on the name",
        PATIENCE,
        "document.activeElement?.dataset.testid === 'name-input'",
    )?;
    window.fill("name-input", "Ada")?;
    for (typed, said) in [
        (
            "",
            "Type host/room here, or paste the link that you were given.",
        ),
        (
            "http://192.168.1.20/room/Den",
            "Snug joins encrypted rooms only. Ask the host for a link that begins with snug: or \
             https:.",
        ),
        (
            "zoom://meet/Den",
            "This is a link for another program. Ask the host for one that begins with snug: or \
             https:.",
        ),
        (
            "Den",
            "This names no room that you joined before. Write host/room, or paste the whole link.",
        ),
    ] {
        join(&window, typed)?;
        window.reads("home", said, PATIENCE)?;
    }
    Ok(())
}
