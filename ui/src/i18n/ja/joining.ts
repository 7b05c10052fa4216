import type { Catalogue } from "../catalogue";

export const joining: Catalogue["joining"] = {
  title: (room) => `${room}に参加しています`,
  opening: (room) => `${room}を開いています`,
  steps: {
    reaching_host: { ahead: "ホストに接続", now: "ホストに接続しています", done: "ホストに接続しました" },
    agreeing_keys: { ahead: "鍵を交換", now: "鍵を交換しています", done: "鍵を交換しました" },
    entering: { ahead: "ルームに入る", now: "ルームに入っています", done: "ルームに入りました" },
  },
  newLink: "新しいリンクを使う",
  stepDone: "完了",
  stepNow: "進行中",
};
