// Every word on screen, in Japanese: polite, short and plain.
import type { Catalogue } from "./catalogue";
import { chat } from "./ja/chat";
import { common } from "./ja/common";
import { devices } from "./ja/devices";
import { guest } from "./ja/guest";
import { health } from "./ja/health";
import { home } from "./ja/home";
import { joining } from "./ja/joining";
import { moderation } from "./ja/moderation";
import { problems } from "./ja/problems";
import { room } from "./ja/room";
import { settings } from "./ja/settings";

export const japanese: Catalogue = {
  chat, common, devices, guest, health, home, joining, moderation, problems, room, settings,
};
