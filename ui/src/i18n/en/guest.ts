// The page by which somebody without Snug takes part.
export const guest = {
  roomLabel: "Name of the room",
  roomHint: "The host sees it in Snug, above everybody's picture.",
  roomMissing: "Type the name of the room that you were told.",
  whichRoom: "Join a room",
  whichRoomHint: "Nothing to install: this browser is enough.",
  joinHint: "Say your name, and walk in.",
  join: "Join",
  joining: "Joining",
  otherRoom: "Another room",
  devices: "Devices and language",
  done: "Done",
  encryption: "Encrypted to the host",
  encryptionMeans: (host: string) =>
    `This page comes from ${host}. Sound and picture travel encrypted to that computer, which passes them on and could see them.`,
  cannotCheckKey: "A browser cannot check the host's key by itself. With Snug installed, an invite can.",
  inBrowser: "In a browser",
  leaveHint: "The others stay. You can come back by this page.",
} as const;
