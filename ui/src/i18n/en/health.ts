// Words of call health: the one place where the field's own words stand beside plain ones.
import { pluralsOf } from "../plural";

const counted = pluralsOf("en");

export const health = {
  title: "Call health",
  measuring: "Measuring.",
  summary: (weak: number) =>
    weak === 0
      ? "All connections are good."
      : counted(weak, { one: `${weak} connection is weak.`, other: `${weak} connections are weak.` }),
  good: "Good",
  weak: "Weak",
  unknown: "Not known",
  mine: {
    reconnecting: "Your network dropped. Your place is held.",
    sending: (oneIn: number) =>
      `Your network is losing 1 in ${oneIn} packets on the way to the host, so the others see and hear you worse.`,
    receiving: (oneIn: number) =>
      `Your network is losing 1 in ${oneIn} packets on the way from the host, so you see and hear the others worse.`,
    heldBack: "Your network carries no more than sound at present, so your picture is not sent.",
    slow: (ms: number) => `The way to the host and back takes ${ms} ms, so people may talk over each other.`,
  },
  others: {
    reconnecting: (name: string) => `${name} is not heard at present. Their place is held.`,
    theirs: (name: string, oneIn: number) => `${name}'s network is losing 1 in ${oneIn} packets.`,
    between: (name: string, oneIn: number) =>
      `Between ${name} and you 1 in ${oneIn} packets is lost. With two people nobody can tell on which side.`,
    heldBack: (name: string) => `Your network has no room for ${name}'s picture at present. Sound comes first.`,
  },
  roundTrip: "Round trip",
  loss: "Loss",
  jitter: "Jitter",
  rate: "Rate",
  picture: "Picture",
  frames: "Frames",
  layer: "Layer",
  codec: "Codec",
  mbps: (value: string) => `${value} Mb/s`,
  ms: (value: string) => `${value} ms`,
  percent: (value: string) => `${value} %`,
  perSecond: (value: string) => `${value} /s`,
  layerOf: (layer: number) => `${layer} of 3`,
} as const;
