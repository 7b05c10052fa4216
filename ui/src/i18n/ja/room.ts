import type { Catalogue } from "../catalogue";

export const room: Catalogue["room"] = {
  guest: "ゲスト",
  youAfterName: "(あなた)",
  host: "ホスト",
  people: "参加者",
  inTheRoom: "ルームにいる人",
  stage: "ルームにいる人の映像",

  encrypted: "ホストまで暗号化",
  encryptedMeans:
    "音声と映像は暗号化されてホストのパソコンに届き、ほかの人に転送されます。ホストのパソコンでは見ることもできます。",
  encryptedMeansHere: "あなたがホストです。音声と映像は、このパソコンと各ゲストの間で暗号化されます。",
  keyMatched: "確認済み: リンクに含まれる鍵か、言葉を比べた鍵です。",
  keyRemembered: "未確認: ホストの鍵はまだ誰も比べていません。",
  hostWords: "ホストの鍵を表す言葉",
  hostWordsHere: "ゲストにも同じ言葉が表示されます。一致すれば、間に誰もいません。",
  hostWordsCompare: "ホストに8つの言葉を、声で、または直接会って読み上げてもらってください。すべて一致すれば、間に誰もいません。",
  hostWordsVerified: "ホストにも同じ言葉が表示されています。一致しているかぎり、間に誰もいません。",
  hostWordsInBrowser: "この言葉はこのページと同じパソコンから届いています。証明になるのはホスト自身の画面だけです。",
  wordsMatch: "一致しました",
  timeHere: "ルームにいる時間",

  leave: "退出",
  invite: "招待",
  devices: "機器と設定",
  offUntilBack: "ネットワークが戻るまでオフです",

  speaking: "話しています",
  cameraIsOff: "カメラはオフ",
  reconnecting: "再接続しています",
  pictureHeldBack: "映像なし: ネットワークが遅いため送れません",
  cameIn: (name) => `${name}さんが入りました。`,
  wentOut: (name) => `${name}さんが退出しました。`,

  page: (number, of) => `${of}ページ中${number}ページ目`,
  pages: "参加者のページ",

  showAll: "全員を同じ大きさで",
  showSpeaker: "話している人を大きく",
  pin: (name) => `${name}を固定`,
  pinShort: "固定",
  unpinShort: "固定を解除",

  connectingMedia: "音声と映像を接続しています",
  networkDropped: "ネットワークが切れました。席は確保しています。",
  captureStopped: "ネットワークが切れました。戻るまで、カメラとマイクはオフです。",

  firstHere: "あなたが一番乗りです。",
  firstHereHint: "リンクを送れば、受け取った人が入れます。",
  onlyOneHere: "今はほかに誰もいません。",
  copyLink: "リンクをコピー",
  copied: "コピーしました",

  invitePeople: "招待する",
  inviteHint: "ルームが開いている間、リンクを持つ人は誰でも入れます。",
  link: "リンク",
  copy: "コピー",
  typeIt: "Snugに入力する場合",
  copyTyped: "入力する内容をコピー",
  forBrowsers: "Snugなしで、ブラウザーから",
  copyForBrowsers: "ブラウザー用のリンクをコピー",
  otherLinks: "つながらない場合",
  copyOther: "このリンクをコピー",
  qrLabel: "このルームへのリンクのQRコード",
  qrHint: "スマートフォンで読み取って参加",
  noLink: "このルームのリンクはまだありません。",

  hostLeaves: "あなたがホストです",
  hostLeavesHint: "退出すると、全員のルームが終わります。",
  endForAll: "全員に対して終了",
  endForAllAndClose: "全員に対して終了して閉じる",
  leaveRoom: (name) => `${name}から退出しますか?`,
  guestLeavesHint: "ほかの人はそのまま残ります。ホームからまた入れます。",
  aloneLeavesHint: "ほかに誰もいません。退出するとルームは終わります。",
  leaveAndClose: "退出して閉じる",
  stay: "残る",

  shortcuts: "ショートカット",
  shortcutList: [
    ["M", "マイクのオン・オフ"],
    ["Space", "ミュート中、押している間だけ話す"],
    ["V", "カメラのオン・オフ"],
    ["H", "手を挙げる・下ろす"],
    ["C", "チャット"],
    ["P", "参加者"],
    ["L", "話している人を大きく、または全員を同じ大きさで"],
    ["?", "この一覧"],
    ["Esc", "開いているものを閉じる"],
  ],

  change: "変更",
  dismiss: "消す",
  news: {
    replaced: (device, instead, isMuted) =>
      `${device}が抜かれました。${instead}を使っています${isMuted ? "(ミュートのまま)" : ""}。`,
  },
};
