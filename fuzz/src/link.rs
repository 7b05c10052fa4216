//! Links, room names and people's names, as typed or clicked. A legal one stays the same after
//! it is shown and read again.

use snug_protocol::{DisplayName, Link, RoomName};

/// Says the input to it.
pub fn run(data: &[u8]) {
    let text = super::text(data);
    if let Ok(link) = text.parse::<Link>() {
        let shown = link.to_string();
        assert_eq!(shown.parse::<Link>().expect("its own text is legal"), link);
    }
    if let Ok(name) = RoomName::parse(text) {
        assert_eq!(
            RoomName::parse(name.as_str()).expect("a legal name stays legal"),
            name
        );
    }
    if let Ok(name) = DisplayName::parse(text) {
        assert_eq!(
            DisplayName::parse(name.as_str()).expect("a legal name stays legal"),
            name
        );
    }
}
