// Words of the chat, of raised hands and of reactions.
export const chat = {
  chat: "Chat",
  unread: (count: number) => (count === 1 ? "1 new message" : `${count} new messages`),
  messages: "Messages",
  stays: "Messages stay in this room and go when it closes.",
  message: "Message to everyone",
  placeholder: "Message everyone",
  send: "Send",
  toLatest: "New messages",
  said: (name: string, text: string) => `${name}: ${text}`,
  offUntilBack: "Messages can be sent again when your network is back.",
  refused: {
    empty: "There is nothing in it that can be shown.",
    too_long: "This is too long for one message. Split it in two.",
    too_fast: "That was too many messages at once. Wait a moment, then send it again.",
  },

  raiseHand: "Raise hand",
  lowerHand: "Lower hand",
  hand: "Hand",
  handUp: "Hand up",
  handPlace: (place: number) => `Hand up, number ${place} in line`,
  raisedHand: (name: string) => `${name} raised a hand.`,

  react: "React",
  reactions: "Reactions",
  reaction: { yes: "Thumb up", no: "Thumb down", heart: "Heart", laugh: "Laugh", cheer: "Cheer" },
} as const;
