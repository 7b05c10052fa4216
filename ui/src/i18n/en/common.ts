// Words that more than one view uses.
export const common = {
  product: "Snug",
  home: "Home",
  back: "Back",
  cancel: "Cancel",
  close: "Close",
  tryAgain: "Try again",
  you: "You",
  microphone: "Microphone",
  camera: "Camera",
  speaker: "Speaker",
  microphoneLevel: "Microphone level",
  muted: "Muted",
  mute: "Mute",
  unmute: "Unmute",
  cameraOff: "Turn the camera off",
  cameraOn: "Turn the camera on",
} as const;
