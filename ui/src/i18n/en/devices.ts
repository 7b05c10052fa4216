// Words about cameras, microphones and speakers, wherever they are chosen or seen.
export const devices = {
  testPattern: "Test pattern",
  testTone: "Test tone",
  file: "A file...",
  /** The system's favourite, with its name. */
  favourite: (name: string) => `${name} (default)`,
  /** A chosen device that is not plugged in. */
  away: "Not connected",
  /** What is used while the chosen one is away. */
  forNow: (name: string) => `${name} for now`,
  none: { camera: "No camera", microphone: "No microphone", speaker: "No speaker" },
  looking: { camera: "Looking for cameras", microphone: "Looking for microphones", speaker: "Looking for speakers" },
  preview: "Your picture",
  cameraIsOff: "Your camera is off.",
  cameraStarts: "Starting the camera.",
} as const;
