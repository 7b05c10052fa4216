import type { Catalogue } from "../catalogue";

export const guest: Catalogue["guest"] = {
  roomLabel: "ルームの名前",
  roomHint: "ホストのSnugでは、みんなの映像の上に表示されています。",
  roomMissing: "教えてもらったルームの名前を入力してください。",
  whichRoom: "ルームに参加",
  whichRoomHint: "インストールは不要です。このブラウザーだけで参加できます。",
  joinHint: "名前を入力して、どうぞお入りください。",
  join: "参加",
  joining: "参加しています",
  otherRoom: "別のルーム",
  devices: "機器と言語",
  done: "完了",
  encryption: "ホストまで暗号化",
  encryptionMeans: (host) =>
    `このページは${host}から届いています。音声と映像は暗号化されてそのパソコンに届き、ほかの人に転送されます。そのパソコンでは見ることもできます。`,
  cannotCheckKey: "ブラウザーはホストの鍵を自分では確認できません。Snugなら、招待で確認できます。",
  inBrowser: "ブラウザーから参加",
  leaveHint: "ほかの人はそのまま残ります。このページからまた入れます。",
};
