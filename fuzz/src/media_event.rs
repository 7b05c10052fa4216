//! The JSON strings inside `mediaEvent`, both directions, and a join's parameters. What is
//! understood is understood the same after writing it once more (an unknown event is only kept
//! harmless: nobody writes it).

use snug_protocol::{ClientEvent, JoinParams, ServerEvent};

/// Says the input to it.
pub fn run(data: &[u8]) {
    let text = super::text(data);
    if let Some(event) = known_client_event(text) {
        let again = ClientEvent::parse(&event.to_json()).expect("its own JSON is understood");
        assert_eq!(again, event);
    }
    if let Some(event) = known_server_event(text) {
        let again = ServerEvent::parse(&event.to_json()).expect("its own JSON is understood");
        assert_eq!(again, event);
    }
    // Only that it ends: parameters it cannot read count as none.
    drop(JoinParams::parse(text));
}

fn known_client_event(text: &str) -> Option<ClientEvent> {
    ClientEvent::parse(text)
        .ok()
        .filter(|event| !matches!(event, ClientEvent::Unknown { .. }))
}

fn known_server_event(text: &str) -> Option<ServerEvent> {
    ServerEvent::parse(text)
        .ok()
        .filter(|event| !matches!(event, ServerEvent::Unknown { .. }))
}
