// The program behind the window, by Tauri's commands and events.

import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";

import type { Backend } from "./backend";
import type { Snapshot, Social } from "./types";

export const native: Backend = {
  kind: "native",
  snapshot: () => invoke("snapshot"),
  onSnapshot: (callback) => listen<Snapshot>("snapshot", ({ payload }) => callback(payload)),
  onCloseAsked: (callback) => listen("close_asked", () => callback()),
  health: () => invoke("health"),
  social: () => invoke("social"),
  onSocial: (callback) => listen<Social>("social", ({ payload }) => callback(payload)),
  openTiles: () => invoke("open_tiles"),

  setName: (name) => invoke("set_name", { name }),
  hostRoom: (name) => invoke("host_room", { name }),
  joinRoom: (text) => invoke("join_room", { text }),
  joinFound: (link) => invoke("join_found", { link }),
  lookAgain: () => invoke("look_again"),
  cancelJoining: () => invoke("cancel_joining"),
  dismissProblem: () => invoke("dismiss_problem"),
  dismissNotice: (number) => invoke("dismiss_notice", { number }),
  wordsMatch: () => invoke("words_match"),
  leaveRoom: () => invoke("leave_room"),
  moderate: (action) => invoke("moderate", { action }),

  sayInChat: (text) => invoke("say", { text }),
  raiseHand: (up) => invoke("raise_hand", { up }),
  lowerHand: (person) => invoke("lower_hand", { person }),
  react: (reaction) => invoke("react", { reaction }),
  openWebLink: (link) => invoke("open_web_link", { link }),

  setCameraOn: (on) => invoke("set_camera_on", { on }),
  setMicrophoneOn: (on) => invoke("set_microphone_on", { on }),
  chooseCamera: (choice) => invoke("choose_camera", { choice }),
  chooseMicrophone: (choice) => invoke("choose_microphone", { choice }),
  chooseSpeaker: (id) => invoke("choose_speaker", { id }),
  pickCameraFile: () => invoke("pick_camera_file"),
  pickMicrophoneFile: () => invoke("pick_microphone_file"),
  setListening: (on) => invoke("set_listening", { on }),
  testSpeaker: () => invoke("test_speaker"),

  setMirror: (on) => invoke("set_mirror", { on }),
  setAppearance: (appearance) => invoke("set_appearance", { appearance }),
  setLanguage: (language) => invoke("set_language", { language }),
  setGraphics: (graphics) => invoke("set_graphics", { graphics }),

  copyLink: (link) => invoke("copy_link", { link }),
  notify: (title, body) => invoke("notify", { title, body }),
  forgetRecent: (link) => invoke("forget_recent", { link }),
  quitConfirmed: () => invoke("quit_confirmed"),
};
