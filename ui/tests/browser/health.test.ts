import { expect, test } from "vitest";

import { healthOf } from "../../src/ipc/browser/health";

const owners = new Map([["t1", "ann"], ["t2", "ann"], ["t3", "bo"]]);
const read = (report: unknown[]) => healthOf(report, (track) => owners.get(track) ?? null, 12);

test("a report becomes what the drawer shows", () => {
  const health = read([
    { type: "inbound-rtp", kind: "audio", trackIdentifier: "t1", bytesReceived: 100, packetsReceived: 10, packetsLost: 1, jitter: 0.004 },
    { type: "inbound-rtp", kind: "video", trackIdentifier: "t2", bytesReceived: 900, packetsReceived: 90, packetsLost: 3, jitter: 0.002, frameWidth: 640, frameHeight: 360, framesReceived: 25 },
    { type: "inbound-rtp", kind: "audio", trackIdentifier: "t3", bytesReceived: 7, packetsReceived: 1, packetsLost: -2 },
    { type: "inbound-rtp", kind: "audio", trackIdentifier: "nobody's", bytesReceived: 7 },
    { type: "outbound-rtp", bytesSent: 50, framesSent: 20 },
    { type: "outbound-rtp", bytesSent: 70, framesSent: 25 },
    { type: "remote-inbound-rtp", fractionLost: 0.1 },
    { type: "remote-inbound-rtp", fractionLost: 0.05 },
    { type: "candidate-pair", nominated: false, currentRoundTripTime: 9 },
    { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.012 },
  ]);
  expect(health).toEqual({
    elapsed_s: 12,
    round_trip_ms: 12,
    uplink_loss: 0.1,
    sent: { bytes: 120, frames: 25 },
    people: {
      ann: { bytes: 1000, packets: 100, lost: 4, jitter_ms: 4, picture: { width: 640, height: 360, frames: 25, layer: null } },
      bo: { bytes: 7, packets: 1, lost: 0, jitter_ms: 0, picture: null },
    },
  });
});

test("what a browser does not say is not made up", () => {
  expect(read([null, 7, {}, { type: "candidate-pair" }, { type: "inbound-rtp" }])).toEqual({
    elapsed_s: 12,
    round_trip_ms: null,
    uplink_loss: null,
    sent: { bytes: 0, frames: 0 },
    people: {},
  });
});
