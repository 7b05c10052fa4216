import type { Catalogue } from "../catalogue";

export const settings: Catalogue["settings"] = {
  title: "設定",
  pages: { devices: "機器", appearance: "表示", language: "言語", about: "Snugについて" },
  mirror: "自分の映像を左右反転",
  mirrorHint: "ほかの人には、いつも正しい向きで見えます。",
  listenHint: "ヘッドホンをつけて、みんなに聞こえる声を確かめられます。",
  theme: "テーマ",
  themes: { system: "システムに合わせる", light: "ライト", dark: "ダーク" },
  language: "言語",
  asTheComputer: "パソコンに合わせる",
  graphics: "グラフィックプロセッサー",
  graphicsHint: "次の起動から有効になります。",
  graphicsChoices: { auto: "自動", off: "オフ", on: "オン" },
  graphicsExplained: {
    auto: "見つかれば使います。",
    off: "映像がちらつく、または黒いままのときに選びます。",
    on: "Snugが自分で見つけられないときも使います。",
  },
  product: "自分のネットワークで使う、プライベートなビデオルーム。",
  version: "バージョン",
  licence: "ライセンス",
  licenceName: "MIT",
  licenceHint: "自由に使い、共有し、変更できます。",
  encryption: "「ホストまで暗号化」の意味",
  encryptionBody: [
    "音声と映像は、それぞれの人とホストのパソコンの間で暗号化されます。ネットワーク上のほかの誰も、見たり聞いたりできません。",
    "ホストのパソコンはそれをほかの人に転送し、その間は見ることも聞くこともできます。信頼できるホストのルームに参加してください。",
    "ルームで作られたリンクにはホストの鍵が入っているので、別のパソコンが応答すればSnugはすぐに気づきます。リンクがないときは、最初に見た鍵を覚え、変わったらお知らせします。",
  ],
};
