import type { Catalogue } from "../catalogue";
import { type Entry, say } from "../en/problems";

const mediaKey: Entry = ({ host }) =>
  say(
    `${host}からの音声と映像は、ルームが示した鍵とは別の鍵で保護されています。`,
    "誰かが間にいるかもしれません。信頼できるネットワークから参加し直してください。",
  );

const AGAIN = "少し待ってから、もう一度お試しください。";
const CHECK = "ネットワークを確認してから、もう一度お試しください。";
const REOPEN = "もう一度開いてもらうよう、ホストに頼んでください。";
const ALLOW = "システムの設定で許可してから、もう一度お試しください。";
const ALLOW_PAGE = "アドレスの横で許可してから、もう一度お試しください。なしでも参加できます。";
const FREE = "そちらを閉じてから、もう一度お試しください。なしでも参加できます。";
const OTHER_CAMERA = "別のカメラを選んでください。";
const OTHER_MICROPHONE = "別のマイクを選んでください。";
const OTHER_SPEAKER = "別のスピーカーを選んでください。";

export const problems: Catalogue["problems"] = {
  words: {
    unknown_host: ({ host }) =>
      say(
        `このネットワークに${host}という名前のパソコンはありません。`,
        "名前を確認するか、ホストのSnugに表示されるアドレスを使ってください。",
      ),
    port_refused: ({ host }) =>
      say(
        `${host}は見つかりましたが、Snugが開いていません。`,
        "ルームを開いてもらうようホストに頼むか、リンクを確認してください。",
      ),
    no_answer: ({ host }) =>
      say(
        `${host}から応答がありません。`,
        "そのパソコンでSnugが開いているか、ファイアウォールがオンになっていないかを確認してください。",
      ),
    unreachable: ({ host }) =>
      say(
        `このパソコンから${host}につながる経路がありません。`,
        "相手と同じネットワークに入ってから、もう一度お試しください。",
      ),
    wrong_key: ({ host }) =>
      say(`${host}は、このリンクが作られたパソコンではありません。`, "新しいリンクをホストにもらってください。"),
    changed_key: ({ host }) =>
      say(
        "前回参加したときのパソコンではありません。",
        `${host}が新しいパソコンに移ったのなら、そのリンクをもらって参加してください。`,
      ),
    untrusted_certificate: ({ host }) =>
      say(
        `このパソコンが信頼する誰も、${host}を保証していません。`,
        "ホストのSnugに表示されるリンクを使ってください。鍵が入っています。",
      ),
    media_key: mediaKey,
    not_snug: ({ host }) =>
      say(`${host}は応答しましたが、Snugのルームではありません。`, "リンクのアドレスを確認してください。"),
    removed: ({ room }) =>
      say(`ホストがあなたを${room}から退出させました。`, "また入れてもらうよう、ホストに頼んでください。"),
    room_closed: ({ room }) => say(`${room}は閉じられました。`, REOPEN),
    host_ended: ({ room }) => say(`ホストが${room}を終了しました。`, REOPEN),
    not_allowed: () => say("これはルームのホストだけができます。", "ホストに頼んでください。"),
    room_locked: ({ room }) =>
      say(`${room}はロックされています。`, "ホストにロックの解除を頼んで、もう一度お試しください。"),
    lobby_full: () =>
      say("多くの人が入室を待っています。", "少ししてからもう一度お試しください。"),
    turned_away: () =>
      say("今回はホストが入室を許可しませんでした。", "もう一度頼んでください。"),
    barred: () =>
      say("ホストがあなたを退出させました。", "また入れてもらうよう、ホストに頼んでください。"),
    muted_by_host: () =>
      say("ホストがあなたをミュートしました。", "続けるときはミュートを解除してください。"),
    hidden_by_host: () =>
      say("ホストがあなたのビデオを止めました。", "続けるときはカメラをオンにしてください。"),
    media_unreachable: ({ host }) =>
      say(
        `ルームは応答していますが、音声と映像が${host}に届きません。`,
        "そのパソコンのファイアウォールを確認してください。SnugはUDPを使います。",
      ),
    connection_lost: ({ host }) => say(`${host}との接続が切れました。`, CHECK),
    left: () => say("ルームから退出しました。", "いつでもまた参加できます。"),
    busy: () => say("Snugは前の操作をまだ処理しています。", AGAIN),
    internal: () =>
      say("Snugの内部で問題が起きました。", "もう一度お試しください。続くようなら、ログをお送りください。"),

    refused: ({ room }) =>
      say(`ホストが${room}への参加を認めていません。`, "新しいリンクをホストにもらってください。"),
    "failed to start room": ({ room }) => say(`${room}を開けませんでした。`, AGAIN),
    "join crashed": ({ host }) => say(`参加の途中で、${host}に問題が起きました。`, AGAIN),
    "unmatched topic": ({ host }) => say(`${host}にその種類のルームはありません。`, "リンクを確認してください。"),
    "too many channels joined": () =>
      say("一度に参加しているルームが多すぎます。", "どれかから退出して、もう一度お試しください。"),
    "no such room": ({ room, host }) =>
      say(
        `${host}に${room}というルームはありません。`,
        "名前を確認するか、開いてもらうようホストに頼んでください。",
      ),
    room_full: ({ room }) => say(`${room}は満員です。`, "誰かが退出してから、もう一度お試しください。"),
    too_many_joins: ({ host }) =>
      say(`このネットワークから${host}に、一度に多くの人が参加しようとしています。`, AGAIN),
    server_full: ({ host }) =>
      say(`${host}では、これ以上ルームを開けません。`, "しばらくしてから、もう一度お試しください。"),
    fingerprint_mismatch: mediaKey,
    bad_offer: ({ host }) =>
      say(
        `${host}は、このバージョンのSnugと音声や映像をつなげません。`,
        "両方のパソコンでSnugを更新してから、もう一度お試しください。",
      ),
    media_refused: ({ host }) => say(`${host}が音声と映像の接続を断りました。`, AGAIN),
    media_lost: ({ host }) =>
      say(`${host}で音声と映像が途切れました。`, "Snugを起動し直すよう、ホストに頼んでください。"),
    slow_consumer: () => say("あなたの接続がルームに追いつけませんでした。", CHECK),
    server_stopping: ({ host }) => say(`${host}がルームを閉じています。`, REOPEN),

    port_in_use: () =>
      say("別のアプリがSnugのルーム用のポートを使っています。", "そちらを閉じてから、もう一度お試しください。"),
    identity_file: () =>
      say("Snugが自分の鍵を読み込めません。", "Snugのフォルダーに書き込めるか確認してください。"),
    identity_damaged: () =>
      say("Snugの鍵が壊れています。", "そのファイルを別の場所に移すと、Snugが新しい鍵を作ります。"),
    host_failed: () => say("ルームを開けませんでした。", AGAIN),
    in_a_room: () => say("すでにルームに参加しています。", "先に退出してから、もう一度お試しください。"),
    ending: () => say("Snugを終了しています。", "もう一度開いてください。"),

    camera_absent: () => say("このパソコンにはカメラがありません。", "なしでも参加できます。"),
    camera_busy: () => say("別のアプリがカメラを使っています。", FREE),
    camera_unplugged: ({ device }) =>
      say(`${device}が抜かれました。`, "もう一度差し込むか、別のカメラを選んでください。"),
    camera_denied: () => say("このパソコンは、Snugにカメラの使用を許可していません。", ALLOW),
    camera_format: ({ device }) => say(`${device}の映像はSnugでは読み取れません。`, OTHER_CAMERA),
    camera_failed: ({ device }) =>
      say(`${device}が動かなくなりました。`, "もう一度試すか、別のカメラを選んでください。"),
    microphone_absent: () => say("このパソコンにはマイクがありません。", "なしでも参加できます。"),
    microphone_busy: () => say("別のアプリがマイクを使っています。", FREE),
    microphone_unplugged: ({ device }) =>
      say(`${device}が抜かれました。`, "もう一度差し込むか、別のマイクを選んでください。"),
    microphone_denied: () => say("このパソコンは、Snugにマイクの使用を許可していません。", ALLOW),
    microphone_format: ({ device }) => say(`${device}の音声はSnugでは読み取れません。`, OTHER_MICROPHONE),
    microphone_failed: ({ device }) =>
      say(`${device}が動かなくなりました。`, "もう一度試すか、別のマイクを選んでください。"),
    speaker_absent: () =>
      say("このパソコンにはスピーカーがありません。", "みんなの声を聞くには、ヘッドホンをつないでください。"),
    speaker_busy: () =>
      say("別のアプリがスピーカーを使っています。", "そちらを閉じてから、もう一度お試しください。"),
    speaker_unplugged: ({ device }) =>
      say(`${device}が抜かれました。`, "もう一度差し込むか、別のスピーカーを選んでください。"),
    speaker_denied: () => say("このパソコンは、Snugにスピーカーの使用を許可していません。", ALLOW),
    speaker_format: ({ device }) => say(`${device}では、Snugの音声を再生できません。`, OTHER_SPEAKER),
    speaker_failed: ({ device }) =>
      say(`${device}が動かなくなりました。`, "もう一度試すか、別のスピーカーを選んでください。"),

    camera_blocked: () => say("ブラウザーが、このページにカメラの使用を許可していません。", ALLOW_PAGE),
    microphone_blocked: () => say("ブラウザーが、このページにマイクの使用を許可していません。", ALLOW_PAGE),
    not_in_browser: () => say("これはブラウザーではできません。", "Snugならできます。"),
    put_out: ({ room }) =>
      say(
        `もう${room}に参加していません。`,
        "ホストが閉じたか、退出させたか、離れていた時間が長すぎました。もう一度参加するか、ホストに聞いてください。",
      ),

    camera_away: ({ device }) =>
      say(`${device}は接続されていません。`, "差し込むか、別のカメラを選んでください。"),
    microphone_away: ({ device }) =>
      say(`${device}は接続されていません。`, "差し込むか、別のマイクを選んでください。"),
    speaker_away: ({ device }) =>
      say(`${device}は接続されていません。`, "差し込むか、別のスピーカーを選んでください。"),

    camera_file_unusable: ({ device }) =>
      say(`${device}はSnugで再生できる動画ではありません。`, "Y4Mファイルを選んでください。"),
    microphone_file_unusable: ({ device }) =>
      say(`${device}はSnugで再生できる録音ではありません。`, "WAVファイルを選んでください。"),
    recording_exists: () => say("その名前の録画はすでにあります。", "別の名前を選んでください。"),
    recording_unwritable: () => say("そこには録画できません。", "別のフォルダーを選んでください。"),
    recording_disk_full: () =>
      say(
        "ディスクがいっぱいになり、録画が止まりました。それまでの録画は残っています。",
        "空きを作ってから、もう一度録画してください。",
      ),
    recording_write_failed: () =>
      say(
        "ディスクに問題が起き、録画が止まりました。それまでの録画は残っています。",
        "ディスクを確認してから、もう一度録画してください。",
      ),
    recording_unknown_track: () =>
      say("この人は録画に登録されていません。", "いったん止めて、録画し直してください。"),
    codec_failed: () => say("映像か音声をまとめられませんでした。", "ルームから退出して、参加し直してください。"),
  },
  general: {
    host: "ホスト",
    room: "ルーム",
    camera: "カメラ",
    microphone: "マイク",
    speaker: "スピーカー",
    device: "機器",
  },
};
