// Words of the room: stage, bar, drawer, sheets, and news.
export const room = {
  /** For whoever told nobody their name. */
  guest: "Guest",
  youAfterName: "(you)",
  host: "Host",
  people: "People",
  inTheRoom: "In the room",
  stage: "People in the room",

  encrypted: "Encrypted to the host",
  encryptedMeans:
    "Sound and picture travel encrypted to the host's computer, which passes them on and could see them.",
  encryptedMeansHere: "You host this room: sound and picture travel encrypted between this computer and each guest.",
  keyMatched: "Verified: the host's key is the one of a link, or its words were compared.",
  keyRemembered: "Not verified: nobody compared the host's key yet.",
  hostWords: "The host's key in words",
  hostWordsHere: "Guests see these words too. If theirs match, nobody is in between.",
  hostWordsCompare: "Ask the host to read out their eight words, by voice or in person. If all match, nobody is in between.",
  hostWordsVerified: "The host sees the same words. As long as they match, nobody is in between.",
  hostWordsInBrowser: "These words come from the same computer as this page, so only the host's own screen proves them.",
  wordsMatch: "They match",
  timeHere: "Time in the room",

  leave: "Leave",
  invite: "Invite",
  devices: "Devices and settings",
  offUntilBack: "Off until your network is back",

  speaking: "Speaking",
  cameraIsOff: "Camera off",
  reconnecting: "Reconnecting",
  pictureHeldBack: "Picture off: the network is too slow for it",
  cameIn: (name: string) => `${name} came in.`,
  wentOut: (name: string) => `${name} left.`,

  page: (number: number, of: number) => `Page ${number} of ${of}`,
  pages: "Pages of people",

  showAll: "All alike",
  showSpeaker: "Speaker large",
  pin: (name: string) => `Pin ${name} to the stage`,
  pinShort: "Pin",
  unpinShort: "Unpin",

  connectingMedia: "Connecting sound and picture",
  networkDropped: "Your network dropped. Holding your place.",
  captureStopped: "Your network dropped. Camera and microphone are off until it is back.",

  firstHere: "You are the first one here.",
  firstHereHint: "Send someone the link, and they can walk in.",
  onlyOneHere: "Nobody else is here now.",
  copyLink: "Copy link",
  copied: "Copied",

  invitePeople: "Invite people",
  inviteHint: "Whoever has the link can walk in while the room is open.",
  link: "Link",
  copy: "Copy",
  typeIt: "Type it in Snug",
  copyTyped: "Copy what to type",
  forBrowsers: "Without Snug, in a browser",
  copyForBrowsers: "Copy the link for browsers",
  otherLinks: "If that one does not answer",
  copyOther: "Copy this link",
  qrLabel: "Link to this room as a QR code",
  qrHint: "Scan to join from a phone",
  noLink: "There is no link to this room yet.",

  hostLeaves: "You host this room",
  hostLeavesHint: "When you leave, it ends for everyone.",
  endForAll: "End for all",
  endForAllAndClose: "End for all and close",
  leaveRoom: (name: string) => `Leave ${name}?`,
  guestLeavesHint: "The others stay. You can come back from Home.",
  aloneLeavesHint: "Nobody else is here. The room ends when you leave.",
  leaveAndClose: "Leave and close",
  stay: "Stay",

  shortcuts: "Shortcuts",
  shortcutList: [
    ["M", "Microphone on or off"],
    ["Space", "Hold to talk while muted"],
    ["V", "Camera on or off"],
    ["H", "Raise or lower your hand"],
    ["C", "Chat"],
    ["P", "People"],
    ["L", "Speaker large, or all alike"],
    ["?", "This list"],
    ["Esc", "Close what is open"],
  ],

  change: "Change",
  dismiss: "Dismiss",
  news: {
    replaced: (device: string, instead: string, isMuted: boolean) =>
      `${device} was unplugged. Using ${instead}${isMuted ? ", still muted" : ""}.`,
  },
} as const;
