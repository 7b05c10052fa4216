// Every word on screen, in English, one section a view. The one catalogue: views hold no words of their own.
import { common } from "./en/common";
import { devices } from "./en/devices";
import { guest } from "./en/guest";
import { home } from "./en/home";
import { joining } from "./en/joining";
import { problems } from "./en/problems";
import { room } from "./en/room";
import { settings } from "./en/settings";

export const words = { common, devices, guest, home, joining, problems, room, settings } as const;
