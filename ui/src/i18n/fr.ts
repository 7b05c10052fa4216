// Every word on screen, in French: tu, short and plain.
import type { Catalogue } from "./catalogue";
import { chat } from "./fr/chat";
import { common } from "./fr/common";
import { devices } from "./fr/devices";
import { guest } from "./fr/guest";
import { health } from "./fr/health";
import { home } from "./fr/home";
import { joining } from "./fr/joining";
import { moderation } from "./fr/moderation";
import { problems } from "./fr/problems";
import { room } from "./fr/room";
import { settings } from "./fr/settings";

export const french: Catalogue = {
  chat, common, devices, guest, health, home, joining, moderation, problems, room, settings,
};
