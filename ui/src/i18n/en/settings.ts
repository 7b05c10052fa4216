// Settings: only what works.
export const settings = {
  title: "Settings",
  pages: { devices: "Devices", appearance: "Appearance", about: "About" },
  mirror: "Mirror my picture",
  mirrorHint: "Others always see you the right way round.",
  listenHint: "With headphones on, listen to how the others hear you.",
  theme: "Theme",
  themes: { system: "As the system", light: "Light", dark: "Dark" },
  graphics: "Graphics processor",
  graphicsHint: "Takes effect at the next start.",
  graphicsChoices: { auto: "Automatic", off: "Off", on: "On" },
  graphicsExplained: {
    auto: "Snug uses one where it finds one.",
    off: "For a picture that flickers or stays black.",
    on: "Also where Snug finds none by itself.",
  },
  product: "Private video rooms on your own network.",
  version: "Version",
  licence: "Licence",
  licenceName: "MIT",
  licenceHint: "Free to use, share and change.",
  encryption: "What \"Encrypted to the host\" means",
  encryptionBody: [
    "Sound and picture travel encrypted between every person and the computer that hosts the room. Nobody else on the network can see or hear them.",
    "The host's computer passes them on to the others, and could see and hear them while it does. Join rooms of hosts that you trust.",
    "A link that was made in the room carries the host's key, so Snug knows at once if another computer answers. Without one, Snug remembers the key it saw first and tells you when it changes.",
  ],
} as const;
