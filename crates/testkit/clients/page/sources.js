// What a page sends: the browser's fake camera, and a tone of its own by which it is known.

/** Opens the browser's camera. */
export async function camera({ width = 640, height = 360, frameRate = 15 } = {}) {
  const video = { width, height, frameRate };
  const stream = await navigator.mediaDevices.getUserMedia({ video });
  return stream.getVideoTracks()[0];
}

/** Opens the browser's microphone, as it is, without processing. */
export async function microphone() {
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  return stream.getAudioTracks()[0];
}

let context;

/** The page's one audio context. */
export function audio() {
  context ??= new AudioContext({ sampleRate: 48000 });
  return context;
}

/** A microphone that hears a tone; `loudness` of what it returns is a gain from 0 to 1. */
export function tone(hertz) {
  const oscillator = new OscillatorNode(audio(), { frequency: hertz });
  const volume = new GainNode(audio(), { gain: 0.4 });
  const output = new MediaStreamAudioDestinationNode(audio());
  oscillator.connect(volume).connect(output);
  oscillator.start();
  const track = output.stream.getAudioTracks()[0];
  return { track, loudness: volume.gain };
}
