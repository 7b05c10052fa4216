// Generated from src-tauri/src/ipc.rs and settings.rs by `cargo xtask types`.

export type Snapshot = { 
/**
 * Grows with every change; an older one that comes late is ignored.
 */
revision: number, 
/**
 * Where the person is.
 */
stage: Stage, 
/**
 * The person's own camera, microphone and speaker.
 */
me: Me, 
/**
 * What this computer has.
 */
devices: Devices, 
/**
 * What is remembered across starts.
 */
settings: Settings, 
/**
 * Rooms joined before, the latest first; at most 8.
 */
recent: Array<RecentRoom>, 
/**
 * Rooms on this network, by name; at most 256. Empty outside home.
 */
rooms: Array<FoundRoom>, 
/**
 * Rooms on this network are looked for at home, and ours are told there.
 */
looks_for_rooms: boolean, 
/**
 * Why the last attempt to host or join failed, until dismissed or tried again.
 */
problem: Problem | null, 
/**
 * News that the person did not cause: shown for a while.
 */
notice: Notice | null, };

export type Stage = { "kind": "home" } | { "kind": "joining" } & Joining | { "kind": "room" } & Room;

export type Joining = { 
/**
 * The room's name.
 */
room: string, 
/**
 * `host:port`, or nothing when it is this computer.
 */
host: string | null, 
/**
 * The step that is under way.
 */
step: JoinStep, 
/**
 * We are there, and wait until somebody lets us in.
 */
is_waiting: boolean, 
/**
 * Who may let us in, where that is known.
 */
decides: string | null, };

export type JoinStep = "reaching_host" | "agreeing_keys" | "entering";

export type Room = { 
/**
 * Its name.
 */
name: string, 
/**
 * `host:port` as the person knows it, or nothing when it is this computer.
 */
host: string | null, 
/**
 * Links that let others in, the best first: `snug://host:port/room#k=...`.
 */
links: Array<string>, 
/**
 * When we came in, in milliseconds since the Unix epoch.
 */
since_ms: number, 
/**
 * How the connection to the host is.
 */
connection: Connection, 
/**
 * Whether the host's key is verified: a link carried it, or its words were compared.
 */
is_pinned: boolean, 
/**
 * The host's key in eight words, to compare with what the host sees; none where a certificate
 * authority vouches for the host instead.
 */
words: Array<string>, 
/**
 * Roles and rules.
 */
rules: Rules, 
/**
 * Everybody, in the order in which they came; the person themselves is among them.
 */
people: Array<Person>, };

export type Connection = "connecting_media" | "live" | "reconnecting" | "capture_stopped";

export type Person = { 
/**
 * Stable while they are here; also the key of [`Levels`]. Ours is `me`.
 */
id: string, 
/**
 * Their name, perhaps empty.
 */
name: string, 
/**
 * It is the person themselves.
 */
is_me: boolean, 
/**
 * Key of their picture on the tile socket, when their camera is on. Ours is 0.
 */
tile: number | null, 
/**
 * Width and height of that picture in pixels, once known.
 */
picture_size: [number, number] | null, 
/**
 * Their microphone.
 */
microphone: MicrophoneState, 
/**
 * They came by a browser, without Snug: they can pin no key, and have fewer controls.
 */
is_in_browser: boolean, 
/**
 * They fell silent; their place is held.
 */
is_reconnecting: boolean, 
/**
 * Their camera is on, but the network carries no more than sound: ours from the room, or,
 * for the person themselves, ours to it.
 */
is_held_back: boolean, 
/**
 * What they may do.
 */
role: Role, 
/**
 * A host stopped what they say.
 */
is_muted_by_host: boolean, 
/**
 * A host stopped what they show.
 */
is_hidden_by_host: boolean, };

export type Rules = { 
/**
 * What they may do themselves.
 */
role: Role, 
/**
 * Newcomers are refused.
 */
is_locked: boolean, 
/**
 * Newcomers wait until they are let in.
 */
has_lobby: boolean, 
/**
 * Who waits, the longest first; empty for members. At most 16.
 */
waiting: Array<Knock>, 
/**
 * Who was removed, the last one last; empty for members. At most 256.
 */
removed: Array<Barred>, 
/**
 * A host stopped the person's microphone: turning it on again is their own word to go on.
 */
is_muted_by_host: boolean, 
/**
 * The same of their camera.
 */
is_hidden_by_host: boolean, };

export type Role = "member" | "co_host" | "host";

export type Knock = { 
/**
 * Names them in [`HostAction`].
 */
id: string, 
/**
 * Their name, perhaps empty.
 */
name: string, 
/**
 * They came by a browser.
 */
is_in_browser: boolean, };

export type Barred = { 
/**
 * Names them in [`HostAction`].
 */
bar: number, 
/**
 * Their name, perhaps empty.
 */
name: string, };

export type HostAction = { "kind": "mute", 
/**
 * Whom.
 */
person: string, 
/**
 * Whether it stops.
 */
on: boolean, } | { "kind": "stop_video", 
/**
 * Whom.
 */
person: string, 
/**
 * Whether it stops.
 */
on: boolean, } | { "kind": "remove", 
/**
 * Whom.
 */
person: string, } | { "kind": "readmit", 
/**
 * Whom.
 */
bar: number, } | { "kind": "co_host", 
/**
 * Whom.
 */
person: string, 
/**
 * Whether they are one.
 */
on: boolean, } | { "kind": "admit", 
/**
 * Whom.
 */
person: string, } | { "kind": "deny", 
/**
 * Whom.
 */
person: string, } | { "kind": "lock", 
/**
 * Whether they are refused.
 */
on: boolean, } | { "kind": "lobby", 
/**
 * Whether they wait.
 */
on: boolean, } | { "kind": "end_for_all" };

export type MicrophoneState = "live" | "muted" | "absent";

export type Me = { 
/**
 * Camera.
 */
camera: DeviceState, 
/**
 * Microphone.
 */
microphone: DeviceState, 
/**
 * Speaker.
 */
speaker: DeviceState, 
/**
 * They hear their own microphone.
 */
is_listening: boolean, };

export type DeviceState = { 
/**
 * The person wants it on. Survives reconnects, device changes and restarts of the device.
 */
is_on: boolean, 
/**
 * It really runs. False while it is off, opening, or in trouble.
 */
is_running: boolean, 
/**
 * What it is called, as far as known: "Built-in camera", "Test pattern", "clip.y4m".
 */
name: string | null, 
/**
 * Why it does not run although it should. A device that is not there is `no_device`.
 */
problem: Problem | null, };

export type Devices = { 
/**
 * Cameras, the system's favourite first.
 */
cameras: Array<DeviceEntry>, 
/**
 * Microphones, the system's favourite first.
 */
microphones: Array<DeviceEntry>, 
/**
 * Speakers, the system's favourite first.
 */
speakers: Array<DeviceEntry>, };

export type DeviceEntry = { 
/**
 * Names it in requests and in settings.
 */
id: string, 
/**
 * Names it to a person.
 */
name: string, 
/**
 * The system's favourite.
 */
is_default: boolean, };

export type RecentRoom = { 
/**
 * What joins it again.
 */
link: string, 
/**
 * Its name.
 */
room: string, 
/**
 * `host:port`.
 */
host: string, };

export type FoundRoom = { 
/**
 * What joins it, and tells it from others of its name.
 */
link: string, 
/**
 * Its name.
 */
room: string, 
/**
 * What its host's computer is called.
 */
host: string, 
/**
 * How many people are in it.
 */
people: number, 
/**
 * Not everybody who comes is let in at once.
 */
is_locked: boolean, 
/**
 * The key that is told with it was verified before; joining takes no other.
 */
is_verified: boolean, };

export type Problem = { 
/**
 * Stable word, such as `no_answer` or `camera_busy`.
 */
code: string, 
/**
 * What happened, in a sentence.
 */
message: string, 
/**
 * The next step; perhaps empty.
 */
hint: string, 
/**
 * What the words are about.
 */
details: ProblemDetails, };

export type ProblemDetails = { 
/**
 * `host:port`.
 */
host: string | null, 
/**
 * Room name.
 */
room: string | null, 
/**
 * Device name.
 */
device: string | null, 
/**
 * What is used instead of `device`.
 */
instead: string | null, 
/**
 * What to join when trying again.
 */
link: string | null, };

export type Notice = { 
/**
 * Tells one notice from the next of the same code.
 */
number: number, 
/**
 * Stable word, such as `microphone_unplugged`, `camera_unplugged`, `room_closed`,
 * `host_ended`, `connection_lost`, `link_copied`.
 */
code: string, 
/**
 * What happened, for codes that the page has no words for.
 */
message: string, 
/**
 * What it is about.
 */
details: ProblemDetails, };

export type TileAccess = { 
/**
 * Port on 127.0.0.1.
 */
port: number, 
/**
 * 128 bits in hexadecimal, good for one connection.
 */
token: string, };

export type Watching = { 
/**
 * The visible tiles.
 */
tiles: Array<WatchedTile>, 
/**
 * Whether loudness is wanted: a meter or speaking rings are visible.
 */
levels: boolean, };

export type WatchedTile = { 
/**
 * Its key, from [`Person::tile`].
 */
tile: number, 
/**
 * Height in device pixels, so that no more than needed is sent.
 */
height: number, 
/**
 * The page cannot decode this one: send pictures instead of VP8.
 */
raw: boolean, };

export type Levels = { 
/**
 * The person's own microphone, also while the room hears nothing of it.
 */
me: number | null, 
/**
 * By [`Person::id`]; who is not listed is silent.
 */
people: Record<string, number>, };

export type Health = { 
/**
 * Seconds since coming in.
 */
elapsed_s: number, 
/**
 * From this computer to the host and back, in milliseconds, once known.
 */
round_trip_ms: number | null, 
/**
 * Share of our packets that the host did not get lately, 0 to 1; nothing where nobody counts.
 */
uplink_loss: number | null, 
/**
 * What this computer sends.
 */
sent: Sent, 
/**
 * What comes from the others, by [`Person::id`](super::Person::id).
 */
people: Record<string, Received>, };

export type Sent = { 
/**
 * Payload bytes.
 */
bytes: number, 
/**
 * Pictures, of the largest size that is sent.
 */
frames: number, };

export type Received = { 
/**
 * Payload bytes of sound and picture.
 */
bytes: number, 
/**
 * Packets that came.
 */
packets: number, 
/**
 * Packets that never came.
 */
lost: number, 
/**
 * How unevenly packets come, in milliseconds.
 */
jitter_ms: number, 
/**
 * The picture, while there is one.
 */
picture: PictureHealth | null, };

export type PictureHealth = { 
/**
 * Width in pixels; 0 until known.
 */
width: number, 
/**
 * Height in pixels; 0 until known.
 */
height: number, 
/**
 * Pictures put together.
 */
frames: number, 
/**
 * Which of three sizes comes, 1 for the least, where there are several.
 */
layer: number | null, };

export type Social = { 
/**
 * The room has all this: one on a server that is not Snug does not.
 */
is_there: boolean, 
/**
 * What was said, oldest first; at most 500 messages.
 */
messages: Array<ChatMessage>, 
/**
 * What could not be said last.
 */
refused: ChatRefused | null, 
/**
 * Whose hands are up, by [`crate::ipc::Person::id`], the first raised first.
 */
hands: Array<string>, 
/**
 * The latest reactions, oldest first; at most 32. Each is shown for a moment, once.
 */
reactions: Array<Reacted>, };

export type ChatMessage = { 
/**
 * Counts the messages of a room, from 1.
 */
id: number, 
/**
 * Who said it, by [`crate::ipc::Person::id`]; they may be gone.
 */
person: string, 
/**
 * What they were called then; perhaps nothing.
 */
name: string, 
/**
 * When, in milliseconds since the Unix epoch.
 */
at_ms: number, 
/**
 * The words: plain text, never anything else; lines are parted by `\n`.
 */
text: string, };

export type ChatRefused = { 
/**
 * Tells one refusal from the next.
 */
number: number, 
/**
 * Why.
 */
reason: ChatRefusedFor, 
/**
 * What.
 */
text: string, };

export type ChatRefusedFor = "empty" | "too_long" | "too_fast";

export type Reacted = { 
/**
 * Counts reactions.
 */
number: number, 
/**
 * Who, by [`crate::ipc::Person::id`].
 */
person: string, 
/**
 * What.
 */
reaction: Reaction, };

export type Reaction = "yes" | "no" | "heart" | "laugh" | "cheer";

export type Settings = { 
/**
 * What the others call the person; empty until they say it.
 */
name: string, 
/**
 * Which camera.
 */
camera: CameraChoice, 
/**
 * Which microphone.
 */
microphone: MicrophoneChoice, 
/**
 * Which speaker; nothing means the system's favourite.
 */
speaker: string | null, 
/**
 * The camera is on when coming into a room.
 */
camera_on: boolean, 
/**
 * The microphone is on when coming into a room.
 */
microphone_on: boolean, 
/**
 * One's own picture is shown as in a mirror.
 */
mirror: boolean, 
/**
 * Light or dark.
 */
appearance: Appearance, 
/**
 * What the page speaks.
 */
language: Language, 
/**
 * Whether the window may use the graphics processor. Takes effect at the next start.
 */
graphics: Graphics, };

export type CameraChoice = { "kind": "default" } | { "kind": "device", "value": string } | { "kind": "test_pattern" } | { "kind": "file", "value": string };

export type MicrophoneChoice = { "kind": "default" } | { "kind": "device", "value": string } | { "kind": "test_tone" } | { "kind": "file", "value": string };

export type Appearance = "system" | "light" | "dark";

export type Language = "system" | "en" | "de" | "fr" | "es" | "ja";

export type Graphics = "auto" | "off" | "on";
