// Who is in charge: roles, the door, and what hosts do, in Japanese.
import type { Catalogue } from "../catalogue";

export const moderation: Catalogue["moderation"] = {
  coHost: "共同ホスト",
  waiting: "待機中",
  letIn: "入室を許可",
  notNow: "今は許可しない",
  asks: (name) => `${name}さんが入室を求めています。`,
  optionsFor: (name) => `${name}さんの操作`,
  mute: "ミュートする",
  allowSound: "発言を再び許可",
  stopVideo: "ビデオを止める",
  allowVideo: "ビデオを再び許可",
  makeCoHost: "共同ホストにする",
  makeMember: "共同ホストから外す",
  remove: "退出させる",
  removed: "退出させた人",
  letBack: "再び入室を許可",
  lock: "ルームをロック",
  unlock: "ロックを解除",
  locked: "ロック中：新しい人は入れません",
  lobby: "新しい人は許可されるまで待機します",
  mutedByHost: "ホストがミュートしました",
  waitTitle: (room) => `${room}への入室を待っています`,
  waitHint: (name) =>
    `${name === null ? "ホスト" : `${name}さん`}が入室を許可します。それまで音声と映像はこのコンピューターから出ません。`,
  hostLeavesOthers: "あなたはこのルームのホストです。退出しても他の人は残り、戻るとまたホストになります。",
};
