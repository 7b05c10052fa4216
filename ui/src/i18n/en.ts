// Every word on screen, in English, one section a view. The one catalogue: views hold no words of their own.
import { common } from "./en/common";
import { room } from "./en/room";

export const words = {
  common,
  room,
  welcome: {
    headline: "Private video rooms on your own network",
    status: "Snug's rooms work from the command line for now. The window comes next.",
    hostTitle: "Host rooms on this computer",
    hostCommand: "snug serve",
    joinTitle: "Join a room",
    joinCommand: "snug join LINK --camera test --microphone test",
    help: "Both explain themselves with --help.",
  },
} as const;
