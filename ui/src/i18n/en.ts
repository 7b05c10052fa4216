// Every word on screen, in English, one section a view. The pattern of all catalogues; views hold no words
// of their own and read them through words.svelte.ts.
import { chat } from "./en/chat";
import { common } from "./en/common";
import { devices } from "./en/devices";
import { guest } from "./en/guest";
import { health } from "./en/health";
import { home } from "./en/home";
import { joining } from "./en/joining";
import { moderation } from "./en/moderation";
import { problems } from "./en/problems";
import { room } from "./en/room";
import { settings } from "./en/settings";

export const english = {
  chat, common, devices, guest, health, home, joining, moderation, problems, room, settings,
} as const;
