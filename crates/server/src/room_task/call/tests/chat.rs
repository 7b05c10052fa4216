//! Chat and gestures: who hears what, and that others are never told.

use snug_protocol::{Ask, Chat, ChatRefusal, Gesture, Reaction};

use super::*;

impl World {
    /// Brings in the page, or a Snug program that knows chat.
    fn enter_listener(&mut self, is_snug: bool, name: &str) -> Client {
        let newcomer = Newcomer {
            listens: true,
            ..self.newcomer(is_snug, None)
        };
        let admission = self.call.handle_join(newcomer, self.now).unwrap();
        self.drain();
        let client = Client {
            seat: admission.seat,
            token: admission.token,
            sends: vec![],
            streams: BTreeMap::new(),
            bitrates: BTreeMap::new(),
        };
        let metadata = json!({"displayName": name});
        self.say(&client, ClientEvent::Connect { metadata });
        client
    }

    fn enter_page(&mut self) -> Client {
        self.enter_listener(false, "Page")
    }

    fn say_in_chat(&mut self, client: &Client, nonce: u32, text: &str) {
        let text = text.to_owned();
        let said = Said::Chat(Chat::Say { nonce, text }, 77);
        self.call.handle_said(&client.seat, said, self.now);
        self.drain();
    }

    fn gesture(&mut self, client: &Client, gesture: Gesture) {
        let said = Said::Gesture(gesture);
        self.call.handle_said(&client.seat, said, self.now);
        self.drain();
    }

    /// Takes the chat that a client heard since it was asked last, in short.
    fn chat_heard(&mut self, client: &Client) -> Vec<String> {
        let heard = self.snug_heard.remove(&client.seat.peer);
        let short = |event| match event {
            SnugEvent::Chat(Chat::Said { message, nonce }) => {
                assert_eq!(message.at_ms, 77);
                Some(format!(
                    "{} {}: {} {nonce:?}",
                    message.id, message.name, message.text
                ))
            }
            SnugEvent::Chat(Chat::History { messages }) => Some(format!("{} kept", messages.len())),
            SnugEvent::Chat(other) => Some(format!("{other:?}")),
            _ => None,
        };
        heard.into_iter().flatten().filter_map(short).collect()
    }

    /// Takes the last list of raised hands that a client heard.
    fn hands_heard(&mut self, client: &Client) -> Option<Vec<PeerId>> {
        let heard = self.snug_heard.remove(&client.seat.peer);
        let hands = heard.into_iter().flatten().filter_map(|event| match event {
            SnugEvent::Gesture(Gesture::Hands { endpoint_ids }) => Some(endpoint_ids),
            _ => None,
        });
        hands.last()
    }
}

#[test]
fn chat_reaches_snug_and_the_page_and_nobody_else() {
    let mut world = World::new();
    let (ada, page, old) = (
        world.enter_listener(true, "x"),
        world.enter_page(),
        world.enter(false),
    );
    assert_eq!(world.chat_heard(&ada), ["0 kept"]);
    assert_eq!(world.chat_heard(&page), ["0 kept"]);
    world.say_in_chat(&ada, 1, "hi <b>all</b>");
    world.say_in_chat(&page, 1, "hello");
    assert_eq!(
        world.chat_heard(&ada),
        ["1 x: hi <b>all</b> Some(1)", "2 Page: hello None"]
    );
    assert_eq!(
        world.chat_heard(&page),
        ["1 x: hi <b>all</b> None", "2 Page: hello Some(1)"]
    );
    // Whoever does not understand is not heard either, even by the right words.
    world.say_in_chat(&old, 1, "forged");
    let late = world.enter_listener(true, "x");
    assert_eq!(world.chat_heard(&late), ["2 kept"]);
    assert_eq!(world.chat_heard(&ada), [""; 0]);
    assert!(
        !world.snug_heard.contains_key(&old.seat.peer),
        "it hears nothing of ours"
    );
}

#[test]
fn a_snug_program_that_does_not_know_chat_hears_none_of_it() {
    let mut world = World::new();
    let (ada, older) = (world.enter_listener(true, "x"), world.enter(true));
    world.say_in_chat(&ada, 1, "hello");
    world.say_in_chat(&older, 1, "unheard");
    world.gesture(&ada, Gesture::Hand { is_up: true });
    assert!(!world.snug_heard.contains_key(&older.seat.peer));
    assert_eq!(world.chat_heard(&ada), ["0 kept", "1 x: hello Some(1)"]);
}

#[test]
fn the_page_is_still_told_as_somebody_in_a_browser_and_has_no_token() {
    let mut world = World::new();
    let ada = world.enter_listener(true, "x");
    let page = world.enter_page();
    assert_eq!(page.token, None);
    let endpoint_ids = vec![page.seat.peer.clone()];
    let heard = &world.snug_heard[&ada.seat.peer];
    assert!(heard.contains(&SnugEvent::InBrowser { endpoint_ids }));
}

#[test]
fn what_is_not_said_is_told_to_the_speaker_alone_and_strangers_say_nothing() {
    let mut world = World::new();
    let (ada, bob, unseen) = (
        world.enter_listener(true, "x"),
        world.enter_listener(true, "x"),
        world.join(true),
    );
    world.chat_heard(&ada);
    world.chat_heard(&bob);
    for nonce in 1..=20 {
        world.say_in_chat(&ada, nonce, "spam");
    }
    let heard = world.chat_heard(&bob).len();
    assert!((1..15).contains(&heard), "a flood of {heard}");
    let told = world.chat_heard(&ada);
    let reason = ChatRefusal::TooFast;
    let refused = format!("{:?}", Chat::Refused { nonce: 20, reason });
    assert!(told.len() == 20 && told[19] == refused, "{told:?}");
    world.say_in_chat(&unseen, 1, "not let in");
    assert_eq!(world.chat_heard(&bob), [""; 0]);
    assert_eq!(
        world.chat_heard(&unseen),
        [""; 0],
        "not told before it is in"
    );
}

#[test]
fn whoever_waits_at_the_door_hears_and_says_nothing_before_they_are_let_in() {
    let mut world = World::new();
    let host = world.enter_listener(true, "x");
    world.say_in_chat(&host, 1, "between us");
    let ask = |world: &mut World, ask| {
        world
            .call
            .handle_said(&host.seat, Said::Ask(ask), world.now);
        world.drain();
    };
    ask(&mut world, Ask::Lobby { is_on: true });
    let knocking = world.enter_listener(true, "x");
    world.chat_heard(&host);
    world.say_in_chat(&knocking, 1, "let me in");
    world.say_in_chat(&host, 2, "who is that?");
    world.gesture(&knocking, Gesture::Hand { is_up: true });
    assert_eq!(world.chat_heard(&knocking), [""; 0]);
    assert_eq!(world.chat_heard(&host), ["2 x: who is that? Some(2)"]);
    let endpoint_id = knocking.seat.peer.clone();
    ask(&mut world, Ask::Admit { endpoint_id });
    assert_eq!(world.chat_heard(&knocking), ["2 kept"]);
}

#[test]
fn what_was_said_while_a_socket_was_broken_is_told_on_return_and_said_once() {
    let mut world = World::new();
    let (ada, bob) = (
        world.enter_listener(true, "x"),
        world.enter_listener(true, "x"),
    );
    world.chat_heard(&ada);
    world.chat_heard(&bob);
    world.say_in_chat(&bob, 1, "before");
    world.call.handle_socket_lost(&bob.seat, world.now);
    world.drain();
    world.say_in_chat(&ada, 1, "meanwhile");
    let bob = world.resume(&bob);
    world.say_in_chat(&bob, 1, "before");
    let heard = world.chat_heard(&bob);
    assert!(
        heard.contains(&"2 x: meanwhile None".to_owned()),
        "{heard:?}"
    );
    let at_ada = world.chat_heard(&ada);
    assert_eq!(
        at_ada,
        ["1 x: before None", "2 x: meanwhile Some(1)"],
        "said once"
    );
}

#[test]
fn hands_are_told_in_order_survive_a_broken_socket_and_go_with_their_peer() {
    let mut world = World::new();
    let (ada, page) = (world.enter_listener(true, "x"), world.enter_page());
    let old = world.enter(false);
    let id = |client: &Client| client.seat.peer.clone();
    world.gesture(&page, Gesture::Hand { is_up: true });
    world.gesture(&ada, Gesture::Hand { is_up: true });
    world.gesture(&old, Gesture::Hand { is_up: true });
    assert_eq!(world.hands_heard(&ada), Some(vec![id(&page), id(&ada)]));
    world.call.handle_socket_lost(&ada.seat, world.now);
    world.drain();
    let ada = world.resume(&ada);
    let late = world.enter_listener(true, "x");
    assert_eq!(world.hands_heard(&late), Some(vec![id(&page), id(&ada)]));
    let lower = |whose| Gesture::LowerHand { endpoint_id: whose };
    world.gesture(&late, lower(id(&ada)));
    assert_eq!(world.hands_heard(&late), None, "not theirs to take down");
    world.gesture(&ada, lower(id(&page)));
    assert_eq!(world.hands_heard(&late), Some(vec![id(&ada)]), "the host's");
    world.gesture(&page, Gesture::Hand { is_up: true });
    assert_eq!(world.hands_heard(&late), Some(vec![id(&ada), id(&page)]));
    world.call.handle_leave(&page.seat, world.now);
    world.drain();
    assert_eq!(world.hands_heard(&late), Some(vec![id(&ada)]));
    world.gesture(&ada, Gesture::Hand { is_up: false });
    assert_eq!(world.hands_heard(&late), Some(vec![]));
    assert!(!world.snug_heard.contains_key(&old.seat.peer));
}

#[test]
fn reactions_are_seen_by_whoever_is_there_and_limited() {
    let mut world = World::new();
    let (ada, bob) = (world.enter_listener(true, "x"), world.enter_page());
    let reaction = Reaction::Cheer;
    let is_reaction =
        |event: &SnugEvent| matches!(event, SnugEvent::Gesture(Gesture::Reacted { .. }));
    for _ in 0..50 {
        world.gesture(&ada, Gesture::React { reaction });
    }
    for client in [&ada, &bob] {
        let heard = world.snug_heard.remove(&client.seat.peer).unwrap();
        let seen = heard.into_iter().filter(is_reaction).count();
        assert!((1..10).contains(&seen), "{seen} of fifty");
    }
}
