// Every word on screen, in German: du, short and plain.
import type { Catalogue } from "./catalogue";
import { chat } from "./de/chat";
import { common } from "./de/common";
import { devices } from "./de/devices";
import { guest } from "./de/guest";
import { health } from "./de/health";
import { home } from "./de/home";
import { joining } from "./de/joining";
import { moderation } from "./de/moderation";
import { problems } from "./de/problems";
import { room } from "./de/room";
import { settings } from "./de/settings";

export const german: Catalogue = {
  chat, common, devices, guest, health, home, joining, moderation, problems, room, settings,
};
