// What went wrong and the next step, for every code that the program knows.
// Built from the details; a code that is missing here shows the program's own words.

/** What the words are about; a detail that is not known is put in general terms. */
export interface About {
  host: string;
  room: string;
  device: string;
}

/** What happened, then the next step. */
export interface ProblemWords {
  title: string;
  hint: string;
}

/** How a problem is told. */
export type Entry = (about: About) => ProblemWords;

export const say = (title: string, hint: string): ProblemWords => ({ title, hint });

/** One matter under two codes: either side may find it. */
const mediaKey: Entry = ({ host }) =>
  say(
    `Sound and picture from ${host} are sealed with another key than the room announced.`,
    "Somebody may be in between. Join again from a network that you trust.",
  );

/** Words of problems on the way into a room, or in it. */
const rooms = {
  unknown_host: ({ host }) =>
    say(`This network knows no computer called ${host}.`, "Check the name, or use the address that the host's Snug shows."),
  port_refused: ({ host }) =>
    say(`${host} is there, but Snug is not open on it.`, "Ask the host to open the room, or check the link."),
  no_answer: ({ host }) =>
    say(`No answer from ${host}.`, "Is Snug open on that computer? Is its firewall on?"),
  unreachable: ({ host }) =>
    say(`There is no way from this computer to ${host}.`, "Join the network of that computer, then try again."),
  wrong_key: ({ host }) =>
    say(`${host} is not the computer this link was made for.`, "Ask the host for a new link."),
  changed_key: ({ host }) =>
    say(
      "This is not the computer you joined last time.",
      `If ${host} moved to a new one, ask for its link and join with that.`,
    ),
  untrusted_certificate: ({ host }) =>
    say(`Nobody this computer trusts vouches for ${host}.`, "Use the link that the host's Snug shows. It carries the key."),
  media_key: mediaKey,
  not_snug: ({ host }) =>
    say(`${host} answers, but it is not a Snug room.`, "Check the address in the link."),
  removed: ({ room }) => say(`The host removed you from ${room}.`, "Ask the host to let you in again."),
  room_closed: ({ room }) => say(`${room} was closed.`, "Ask its host to open it again."),
  host_ended: ({ room }) => say(`The host ended ${room}.`, "Ask the host to open it again."),
  not_allowed: () => say("Only a host of the room can do that.", "Ask its host."),
  room_locked: ({ room }) =>
    say(`${room} is locked.`, "Ask its host to unlock it, then try again."),
  lobby_full: () =>
    say("Many people are waiting to be let in.", "Try again in a moment."),
  turned_away: () =>
    say("The host did not let you in this time.", "Ask again, or ask the host."),
  barred: () =>
    say("The host removed you from the room.", "Ask the host to let you in again."),
  muted_by_host: () =>
    say("A host muted you.", "Unmute when you want to go on."),
  hidden_by_host: () =>
    say("A host stopped your video.", "Turn the camera on when you want to go on."),
  media_unreachable: ({ host }) =>
    say(`The room answers, but sound and picture do not get through to ${host}.`, "Is that computer's firewall on? Snug needs UDP there."),
  connection_lost: ({ host }) => say(`The connection to ${host} is lost.`, "Check the network, then try again."),
  left: () => say("You left the room.", "Join again whenever you like."),
  busy: () => say("Snug is still working on what you asked before.", "Try again in a moment."),
  internal: () => say("Something went wrong inside Snug.", "Try again. If it stays, send us the log."),
} satisfies Record<string, Entry>;

/** Words of refusals by the room. */
const refusals = {
  refused: ({ room }) => say(`The host does not let you into ${room}.`, "Ask the host for a new link."),
  "failed to start room": ({ room }) => say(`${room} could not be opened.`, "Try again in a moment."),
  "join crashed": ({ host }) => say(`${host} failed while you were coming in.`, "Try again in a moment."),
  "unmatched topic": ({ host }) => say(`${host} has no rooms of that kind.`, "Check the link."),
  "too many channels joined": () => say("Snug is in too many rooms at once.", "Leave one of them, then try again."),
  "no such room": ({ room, host }) =>
    say(`There is no room called ${room} on ${host}.`, "Check the name, or ask the host to open it."),
  room_full: ({ room }) => say(`${room} is full.`, "Try again when somebody has left."),
  too_many_joins: ({ host }) =>
    say(`Too many people are coming to ${host} from this network at once.`, "Try again in a moment."),
  server_full: ({ host }) => say(`${host} hosts as many rooms as it can.`, "Try again later."),
  fingerprint_mismatch: mediaKey,
  bad_offer: ({ host }) =>
    say(`${host} cannot connect sound and picture with this version of Snug.`, "Update Snug on both computers, then try again."),
  media_refused: ({ host }) => say(`${host} refused to connect sound and picture.`, "Try again in a moment."),
  media_lost: ({ host }) => say(`${host} has lost sound and picture.`, "Ask the host to start Snug again."),
  slow_consumer: () => say("Your connection could not keep up with the room.", "Check the network, then try again."),
  server_stopping: ({ host }) => say(`${host} is closing the room.`, "Ask its host to open it again."),
} satisfies Record<string, Entry>;

/** Words of the three kinds of device: the same troubles, told as each is met. */
const devices = {
  camera_absent: () => say("There is no camera on this computer.", "You can join without one."),
  camera_busy: () =>
    say("Another program is using the camera.", "Close it there and try again. You can join without it."),
  camera_unplugged: ({ device }) => say(`${device} was unplugged.`, "Plug it in again, or choose another camera."),
  camera_denied: () =>
    say("This computer does not let Snug use the camera.", "Allow it in the system's settings, then try again."),
  camera_format: ({ device }) => say(`${device} gives no picture that Snug can read.`, "Choose another camera."),
  camera_failed: ({ device }) => say(`${device} stopped working.`, "Try again, or choose another camera."),
  microphone_absent: () => say("There is no microphone on this computer.", "You can join without one."),
  microphone_busy: () =>
    say("Another program is using the microphone.", "Close it there and try again. You can join without it."),
  microphone_unplugged: ({ device }) =>
    say(`${device} was unplugged.`, "Plug it in again, or choose another microphone."),
  microphone_denied: () =>
    say("This computer does not let Snug use the microphone.", "Allow it in the system's settings, then try again."),
  microphone_format: ({ device }) =>
    say(`${device} gives no sound that Snug can read.`, "Choose another microphone."),
  microphone_failed: ({ device }) => say(`${device} stopped working.`, "Try again, or choose another microphone."),
  speaker_absent: () => say("There is no speaker on this computer.", "Plug in headphones to hear the others."),
  speaker_busy: () => say("Another program is using the speaker.", "Close it there and try again."),
  speaker_unplugged: ({ device }) => say(`${device} was unplugged.`, "Plug it in again, or choose another speaker."),
  speaker_denied: () =>
    say("This computer does not let Snug use the speaker.", "Allow it in the system's settings, then try again."),
  speaker_format: ({ device }) => say(`${device} takes no sound that Snug can make.`, "Choose another speaker."),
  speaker_failed: ({ device }) => say(`${device} stopped working.`, "Try again, or choose another speaker."),
} satisfies Record<string, Entry>;

/** Words for what a browser keeps from the page that it shows. */
const browser = {
  camera_blocked: () =>
    say("The browser does not let this page use the camera.", "Allow it beside the address, then try again. You can join without it."),
  microphone_blocked: () =>
    say("The browser does not let this page use the microphone.", "Allow it beside the address, then try again. You can join without it."),
  not_in_browser: () => say("A browser cannot do this.", "Snug itself can."),
  put_out: ({ room }) => say(`You are no longer in ${room}.`, "Its host closed it or removed you, or you were away for too long. Join again, or ask the host."),
} satisfies Record<string, Entry>;

/** Words for a chosen device that is not connected, while it is normal to have none at all. */
const away = {
  camera_away: ({ device }) => say(`${device} is not connected.`, "Plug it in, or choose another camera."),
  microphone_away: ({ device }) => say(`${device} is not connected.`, "Plug it in, or choose another microphone."),
  speaker_away: ({ device }) => say(`${device} is not connected.`, "Plug it in, or choose another speaker."),
} satisfies Record<string, Entry>;

/** Words for what keeps a room from being hosted. */
const hosting = {
  port_in_use: () => say("Another program uses the port of Snug's rooms.", "Close it there, then try again."),
  identity_file: () => say("Snug cannot read its own key.", "Check that you may write to Snug's folder."),
  identity_damaged: () => say("Snug's own key is damaged.", "Move the file away, and Snug makes a new one."),
  host_failed: () => say("The room could not be opened.", "Try again in a moment."),
  in_a_room: () => say("You are in a room already.", "Leave it first, then try again."),
  ending: () => say("Snug is closing.", "Open it again."),
} satisfies Record<string, Entry>;

/** Words of files: as camera, as microphone, as recording. */
const files = {
  camera_file_unusable: ({ device }) => say(`${device} is no film clip that Snug can play.`, "Choose a Y4M file."),
  microphone_file_unusable: ({ device }) => say(`${device} is no recording that Snug can play.`, "Choose a WAV file."),
  recording_exists: () => say("A recording of that name is there already.", "Choose another name."),
  recording_unwritable: () => say("Snug cannot record there.", "Choose another folder."),
  recording_disk_full: () =>
    say("The disk is full, so the recording stopped. What was recorded until then is kept.", "Free some space, then record again."),
  recording_write_failed: () =>
    say("The disk failed, so the recording stopped. What was recorded until then is kept.", "Check the disk, then record again."),
  recording_unknown_track: () => say("The recording does not know this person.", "Stop it and record again."),
  codec_failed: () => say("A picture or sound could not be packed.", "Leave the room and join again."),
} satisfies Record<string, Entry>;

export const problems = {
  /** Words by code. */
  words: { ...rooms, ...refusals, ...hosting, ...devices, ...browser, ...away, ...files },
  /** General terms for what a problem does not name. */
  general: {
    host: "the host",
    room: "the room",
    camera: "the camera",
    microphone: "the microphone",
    speaker: "the speaker",
    device: "the device",
  },
} as const;
