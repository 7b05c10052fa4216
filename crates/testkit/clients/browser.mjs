// Starts one headless browser and does with its pages what it reads, a line of JSON at a time:
//
//     node browser.mjs chromium|firefox PROGRAM PORT...
//
// `{"id":1,"do":"open","page":"Ann"}`, `{"id":2,"do":"run","page":"Ann","script":"..."}`,
// `{"id":3,"do":"close","page":"Ann"}`, `{"id":4,"do":"crash","page":"Ann"}`. Each is answered by
// `{"type":"answer","id":1,"value":...}` or with an `error`. What a page complains of is told as
// `{"type":"complaint","page":"Ann","text":"..."}`. Its pages come from the first of the ports that
// is free; one that is opened with an `address` (and `width`, `height`) is a server's own, accepts
// any certificate, as a person does after the browser's warning, and tells what it asks for as
// `{"type":"request","page":"Ann","url":"..."}`. Such a page is used as people use it, by
// `{"do":"click","at":SELECTOR}` and `{"do":"type","at":SELECTOR,"text":"..."}`, and drawn into a
// file by `{"do":"draw","path":"..."}`. It ends when its input does.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";
import { script } from "./page/build.mjs";

// Pictures are drawn small: without a graphics card, drawing costs more than decoding.
const PAGE = `<!doctype html><meta charset="utf-8"><title>Snug</title>
<link rel="icon" href="data:,"><style>video { width: 64px }</style>
<body><script src="/page.js"></script>`;

const CHROMIUM = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--use-fake-ui-for-media-stream",
  "--use-fake-device-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  // Pages stand in windows of their own that nobody looks at.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

const FIREFOX = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  "media.autoplay.block-webaudio": false,
  "dom.min_background_timeout_value": 10,
  "widget.windows.window_occlusion_tracking.enabled": false,
};

const [kind, executablePath, ...ports] = process.argv.slice(2);

function tell(message) {
  process.stdout.write(`${JSON.stringify({ at_ms: Date.now(), ...message })}\n`);
}

/** Serves the page on this computer alone and returns its address. */
async function serve() {
  const source = await script();
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? source : PAGE);
  });
  for (const port of ports) {
    const isOurs = await new Promise((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(Number(port), "localhost", () => resolve(true));
    });
    if (isOurs) return `http://localhost:${port}/`;
  }
  throw new Error(`none of the ports ${ports.join(", ")} is free`);
}

function launch() {
  const common = { executablePath, headless: true, protocolTimeout: 0, acceptInsecureCerts: true };
  return kind === "firefox"
    ? puppeteer.launch({ ...common, browser: "firefox", extraPrefsFirefox: FIREFOX })
    : puppeteer.launch({ ...common, pipe: true, args: CHROMIUM });
}

const pages = new Map();

async function open(name, own) {
  // A context each: a window, a process and a storage of its own.
  const context = await browser.createBrowserContext();
  const page = await context.newPage({ type: "window" });
  pages.set(name, page);
  const complain = (text) => tell({ type: "complaint", page: name, text });
  page.on("pageerror", (error) => complain(`thrown: ${error?.stack ?? error}`));
  page.on("error", (error) => complain(`page: ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warn", "assert"].includes(message.type())) {
      complain(`${message.type()}: ${message.text()}`);
    }
  });
  if (own.address === undefined) {
    await page.goto(address);
    return;
  }
  page.on("request", (request) => tell({ type: "request", page: name, url: request.url() }));
  await page.evaluateOnNewDocument(sayEventsInWords);
  await page.setViewport({ width: own.width, height: own.height });
  await page.goto(own.address);
}

/** Runs in a server's own page before its scripts: a log shows nothing of the events in what it says. */
function sayEventsInWords() {
  for (const level of ["warn", "error"]) {
    const say = console[level].bind(console);
    const inWords = (word) => {
      if (!(word instanceof Event)) return word;
      const { type, errorCode, errorText, address, url } = word;
      return `event ${JSON.stringify({ type, errorCode, errorText, address, url })}`;
    };
    console[level] = (...words) => say(...words.map(inWords));
  }
}

/** Uses a page as a person does. */
async function use(page, { do: what, at, text, path, width, height }) {
  if (what === "click") return page.locator(at).click();
  if (what === "type") return page.locator(at).fill(text);
  if (what === "size") return page.setViewport({ width, height });
  await page.screenshot({ path });
}

async function close(name) {
  await pages.get(name).browserContext().close();
  pages.delete(name);
}

/** Ends the page's process at once, as the system does that runs out of memory. */
async function crash(name) {
  const session = await pages.get(name).createCDPSession();
  session.send("Page.crash").catch(() => {
    // Nobody is left to answer.
  });
}

async function obey(command) {
  const { do: what, page, script: text } = command;
  if (what === "open") return open(page, command);
  if (!pages.has(page)) throw new Error(`there is no page ${page}`);
  if (what === "close") return close(page);
  if (what === "crash") return crash(page);
  if (["click", "type", "size", "draw"].includes(what)) return use(pages.get(page), command);
  if (what === "run") return pages.get(page).evaluate(text);
  throw new Error(`${what} is not known here`);
}

const address = await serve();
const browser = await launch();
tell({ type: "ready", process: browser.process().pid });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  obey(command).then(
    (value) => tell({ type: "answer", id: command.id, value: value ?? null }),
    (error) => tell({ type: "answer", id: command.id, error: error?.message ?? String(error) }),
  );
}
await browser.close();
process.exit(0);
