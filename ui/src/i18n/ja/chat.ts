import type { Catalogue } from "../catalogue";

export const chat: Catalogue["chat"] = {
  chat: "チャット",
  unread: (count) => `新しいメッセージ ${count} 件`,
  messages: "メッセージ",
  stays: "メッセージはこのルームに残り、ルームが終わると消えます。",
  message: "全員へのメッセージ",
  placeholder: "全員にメッセージ",
  send: "送信",
  toLatest: "新しいメッセージ",
  said: (name, text) => `${name}：${text}`,
  offUntilBack: "ネットワークが戻ると、また送信できます。",
  refused: {
    empty: "表示できるものが含まれていません。",
    too_long: "1 つのメッセージには長すぎます。2 つに分けてください。",
    too_fast: "一度に送るメッセージが多すぎます。少し待ってから送り直してください。",
  },

  raiseHand: "手を挙げる",
  lowerHand: "手を下ろす",
  hand: "手",
  handUp: "挙手中",
  handPlace: (place) => `挙手中、${place} 番目`,
  raisedHand: (name) => `${name}さんが手を挙げました。`,

  react: "リアクション",
  reactions: "リアクション",
  reaction: { yes: "いいね", no: "よくないね", heart: "ハート", laugh: "笑い", cheer: "お祝い" },
};
