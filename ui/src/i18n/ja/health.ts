import type { Catalogue } from "../catalogue";

export const health: Catalogue["health"] = {
  title: "通話の品質",
  measuring: "測定しています。",
  summary: (weak) =>
    weak === 0 ? "接続はすべて良好です。" : `${weak}件の接続が不安定です。`,
  good: "良好",
  weak: "不安定",
  unknown: "不明",
  mine: {
    reconnecting: "ネットワークが切れました。席は確保しています。",
    sending: (oneIn) =>
      `ホストへ向かうパケットの${oneIn}個に1個があなたのネットワークで失われ、みんなへの映像と音声が悪くなっています。`,
    receiving: (oneIn) =>
      `ホストから届くパケットの${oneIn}個に1個があなたのネットワークで失われ、みんなの映像と音声が悪くなっています。`,
    heldBack: "今のネットワークでは音声しか送れないため、あなたの映像は送られていません。",
    slow: (ms) => `ホストとの往復に${ms}ミリ秒かかるため、話が重なりやすくなっています。`,
  },
  others: {
    reconnecting: (name) => `${name}さんの声は今届いていません。席は確保しています。`,
    theirs: (name, oneIn) => `${name}さんのネットワークで、パケットの${oneIn}個に1個が失われています。`,
    between: (name, oneIn) =>
      `${name}さんとあなたの間で、パケットの${oneIn}個に1個が失われています。二人だけでは、どちら側かは分かりません。`,
    heldBack: (name) => `今のネットワークには${name}さんの映像を受け取る余裕がありません。音声を優先しています。`,
  },
  roundTrip: "往復時間",
  loss: "損失",
  jitter: "ゆらぎ",
  rate: "速度",
  picture: "映像",
  frames: "フレーム",
  layer: "レイヤー",
  codec: "コーデック",
  mbps: (value) => `${value} Mb/s`,
  ms: (value) => `${value} ms`,
  percent: (value) => `${value} %`,
  perSecond: (value) => `${value} /秒`,
  layerOf: (layer) => `3段階の${layer}`,
};
