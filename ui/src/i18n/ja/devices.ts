import type { Catalogue } from "../catalogue";

export const devices: Catalogue["devices"] = {
  testPattern: "テスト映像",
  testTone: "テスト音",
  file: "ファイル...",
  favourite: (name) => `${name}(標準)`,
  away: "接続されていません",
  forNow: (name) => `今は${name}`,
  none: { camera: "カメラなし", microphone: "マイクなし", speaker: "スピーカーなし" },
  looking: {
    camera: "カメラを探しています",
    microphone: "マイクを探しています",
    speaker: "スピーカーを探しています",
  },
  preview: "あなたの映像",
  cameraIsOff: "カメラはオフです。",
  cameraStarts: "カメラを起動しています。",
};
