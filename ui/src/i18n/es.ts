// Every word on screen, in Spanish: tú, short and plain.
import type { Catalogue } from "./catalogue";
import { chat } from "./es/chat";
import { common } from "./es/common";
import { devices } from "./es/devices";
import { guest } from "./es/guest";
import { health } from "./es/health";
import { home } from "./es/home";
import { joining } from "./es/joining";
import { moderation } from "./es/moderation";
import { problems } from "./es/problems";
import { room } from "./es/room";
import { settings } from "./es/settings";

export const spanish: Catalogue = {
  chat, common, devices, guest, health, home, joining, moderation, problems, room, settings,
};
