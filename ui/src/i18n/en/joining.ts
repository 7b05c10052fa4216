// The way into a room, and what to do when it ends before the door.
export const joining = {
  title: (room: string) => `Joining ${room}`,
  opening: (room: string) => `Opening ${room}`,
  steps: {
    reaching_host: { ahead: "Reaching the host", now: "Reaching the host", done: "Reached the host" },
    agreeing_keys: { ahead: "Agreeing keys", now: "Agreeing keys", done: "Agreed keys" },
    entering: { ahead: "Entering the room", now: "Entering the room", done: "Entered the room" },
  },
  newLink: "Use a new link",
  stepDone: "done",
  stepNow: "under way",
} as const;
