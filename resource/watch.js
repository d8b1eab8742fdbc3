"use strict";

// The page only reads: /numbers is an event stream of JSON (see watch_state.py), /NAME.mjpg a stream of pictures.

const PICTURES = { overlay: "Overlay", rgb: "RGB", thermal: "Thermal", mask: "Mask", confidence: "Confidence" };
const SILENCE_MS = 4000; // numbers come once a second at least
const LOST_MS = 2000; // a picture's stream that is not served for so long is asked for again
const SLOW_MS = 8000; // the same where it has not come yet
const HINT_MS = 5000;
const HISTORY = 120; // seconds

const HINT = "no connection free for this picture: does another window of this browser show pictures, too?";

// As in docs/diagnostics.md.
const CAUSES = {
  "surplus": "of the faster camera, nobody's nearest: nothing is lost with them",
  "no_partner": "the other camera had no image for them",
  "over_max_dt": "the nearest image of the other camera was farther than sync.max_dt",
  "late": "came after the node had stopped waiting for them",
  "duplicate": "with the stamp of the image before",
  "out_of_order": "with a stamp before that of the image before",
  "frozen": "of a camera that repeats itself",
  "lost": "published, but lost on the way",
  "missing_estimated": "gaps in a camera's stamps",
  "superseded": "replaced by a newer pair while waiting",
  "stale": "older than max_age when their turn came",
  "undecodable": "with an image that cannot be read",
  "shutter": "the thermal camera's shutter was closed",
  "unregistered": "before the camera_infos, or not fitting them",
  "failed": "lost to an error, see the node's log",
  "overflow": "more than lossless.depth waited",
  "deactivated": "still waiting at deactivation",
  "paused": "inference was switched off by ~/enable",
  "over_max_rate": "more than max_rate allows",
};

const byId = (id) => document.getElementById(id);
const history = { rate: [], latency: [] };
let numbers = null; // the event source, while somebody looks
let heardAt = 0;
let values = {};
const drawn = {};
const streams = {}; // what is asked for, by the name of the picture
let pictures = {}; // what the view says of them
const liveClasses = new LiveClasses();
const tables = {};

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function format(text, digits = 0) {
  return text === undefined ? "–" : Number(text).toFixed(digits);
}

// --- streams: only while the page is seen, as the node makes the overlay for whoever looks ---

function start() {
  if (numbers !== null || document.hidden) return;
  heardAt = Date.now();
  numbers = new EventSource("numbers");
  // Also when the connection comes back.
  numbers.onopen = () => document.querySelectorAll("figure").forEach(startPicture);
  numbers.onmessage = (event) => {
    heardAt = Date.now();
    render(JSON.parse(event.data));
  };
}

function stop() {
  if (numbers === null) return;
  numbers.close();
  numbers = null;
  document.querySelectorAll("figure").forEach(stopPicture);
}

function startPicture(figure) {
  const name = figure.dataset.name;
  const before = streams[name];
  const now = Date.now();
  const viewer = Math.random().toString(36).slice(2); // finds itself in what the view says
  const missedAt = before && !before.shown ? before.missedAt : now;
  streams[name] = { viewer, missedAt, startedAt: now, servedAt: now, served: false, shown: false, failed: false };
  streams[name].note = before ? "connecting again" : "connecting";
  figure.querySelector("img").src = `${name}.mjpg?${viewer}`;
  renderPicture(figure);
}

function stopPicture(figure) {
  delete streams[figure.dataset.name];
  figure.querySelector("img").removeAttribute("src");
}

// Browsers do not say that a stream of pictures has ended: the view says whom it still serves.
function isLost(stream) {
  if (stream.failed) return Date.now() - stream.startedAt > LOST_MS;
  return heardAt - stream.servedAt > (stream.shown ? LOST_MS : SLOW_MS);
}

// --- which pictures; the address keeps the choice ---

function chosen() {
  const names = location.hash.slice(1).split(",").filter((name) => name in PICTURES);
  return names.length ? names : ["overlay"];
}

function toggle(name) {
  const names = chosen();
  const left = names.includes(name) ? names.filter((other) => other !== name) : [...names, name];
  location.replace(`#${left.join(",")}`);
}

function showPictures() {
  const seen = chosen();
  const names = [...seen, ...liveClasses.needed(seen)];
  for (const button of byId("choice").children) {
    button.setAttribute("aria-pressed", String(seen.includes(button.dataset.name)));
  }
  for (const figure of document.querySelectorAll("figure")) {
    if (!names.includes(figure.dataset.name)) {
      stopPicture(figure);
      figure.remove();
    }
  }
  for (const name of Object.keys(PICTURES)) {
    if (!names.includes(name)) continue;
    const shown = byId(`figure-${name}`);
    const figure = shown ?? makeFigure(name);
    figure.classList.toggle("unseen", !seen.includes(name));
    byId("pictures").append(figure);
    if (shown === null && numbers !== null) startPicture(figure);
  }
}

function makeFigure(name) {
  const figure = element("figure");
  figure.id = `figure-${name}`;
  figure.dataset.name = name;
  const picture = element("div", "", "picture waiting");
  const image = element("img");
  image.alt = `${PICTURES[name]}, live`;
  image.onload = () => noteImage(figure, { shown: true });
  image.onerror = () => noteImage(figure, { failed: true });
  const sheet = element("div", "", "sheet");
  const edited = element("canvas");
  edited.hidden = true;
  sheet.append(image, edited);
  picture.append(sheet, element("span", "connecting", "none"));
  const caption = element("figcaption");
  caption.append(element("b", PICTURES[name]), element("span"), element("span"));
  figure.append(picture, caption);
  return figure;
}

function noteImage(figure, what) {
  Object.assign(streams[figure.dataset.name] ?? {}, what);
  renderPicture(figure);
}

function noteServed(figure) {
  const name = figure.dataset.name;
  const stream = streams[name];
  if (stream === undefined) return;
  stream.served = pictures[name]?.viewers.includes(stream.viewer) ?? false;
  if (!stream.served) return;
  stream.servedAt = heardAt;
  // No standard says that a stream's first picture is a load event.
  if (heardAt - stream.startedAt > LOST_MS && figure.querySelector("img").naturalWidth) stream.shown = true;
}

// --- what came ---

function render(state) {
  values = state.values;
  byId("node").textContent = ` of ${state.node}${state.pair && `, ${state.pair}`}`;
  say(state.level, state.sentence);
  byId("demonstration").hidden = state.values.model !== "default";
  pictures = state.pictures;
  for (const figure of document.querySelectorAll("figure")) {
    noteServed(figure);
    renderPicture(figure);
  }
  renderTiles(state.detections);
  renderCauses();
  renderClasses(state.classes, state.detections ?? []);
  draw("values", Object.entries(values), ([key, text]) => tableRow(key, text));
}

function say(level, sentence) {
  byId("level").className = `level ${level}`;
  // Read out when it changes, unlike the sentence, in which seconds count.
  if (byId("state").textContent !== level) byId("state").textContent = level;
  byId("sentence").textContent = sentence;
  document.title = `${sentence} · RGB-T segmentation`;
}

function renderPicture(figure) {
  const state = pictures[figure.dataset.name];
  const missing = whatIsMissing(streams[figure.dataset.name], state);
  const picture = figure.querySelector(".picture");
  picture.classList.toggle("waiting", missing !== "");
  if (state?.size) picture.style.aspectRatio = state.size.join(" / ");
  const note = picture.querySelector(".none");
  note.hidden = missing === "";
  note.textContent = missing;
  const [facts, topic] = figure.querySelectorAll("figcaption span");
  // The rate is that of the view: of this picture it is none before it comes.
  facts.textContent = state?.size && missing === "" ? `${state.size.join("×")}, ${state.hz.toFixed(1)} Hz` : "";
  topic.textContent = state?.topic ?? "";
}

// Why a picture is not seen here; empty if it is.
function whatIsMissing(stream, state) {
  if (state?.waiting) return state.waiting;
  if (stream === undefined) return "connecting";
  if (stream.shown && !stream.failed) return isLost(stream) ? "connecting again" : "";
  return !stream.served && Date.now() - stream.missedAt > HINT_MS ? HINT : stream.note;
}

function renderTiles(detections) {
  const texts = {
    "rate": format(values["mask_hz"], 1),
    "latency": format(values["latency_ms.p50"]),
    "latency-p95": format(values["latency_ms.p95"]),
    "rgb-camera": values["rgb_camera"] ?? "–",
    "thermal-camera": values["thermal_camera"] ?? "–",
    "rgb-hz": format(values["rgb_hz"], 1),
    "thermal-hz": format(values["thermal_hz"], 1),
    "detections": detections === null ? "–" : String(detections.length),
    "all-detections": format(values["detections"]),
    "masks": format(values["masks"]),
    "pairs": format(values["pairs"]),
  };
  for (const [id, text] of Object.entries(texts)) byId(id).textContent = text;
  for (const camera of ["rgb", "thermal"]) byId(`${camera}-camera`).className = values[`${camera}_camera`] ?? "";
}

function renderCauses() {
  const counts = Object.entries(values)
    .filter(([key, count]) => key.startsWith("dropped.") && Number(count) > 0)
    .map(([key, count]) => [key.slice("dropped.".length), Number(count)])
    .sort((one, other) => other[1] - one[1]);
  const lost = counts.filter(([cause]) => cause !== "surplus").reduce((sum, [, count]) => sum + count, 0);
  byId("dropped").textContent = "pairs" in values ? String(lost) : "–";
  byId("dropped-by-cause").hidden = counts.length === 0;
  draw("causes", counts, ([cause, count]) => {
    const row = tableRow(cause.replaceAll("_", " "), String(count));
    row.firstChild.dataset.value = cause;
    row.firstChild.append(element("small", CAUSES[cause] ?? ""));
    return row;
  });
}

function renderClasses(classes, detections) {
  byId("no-classes").hidden = classes.length > 0;
  liveClasses.setClasses(classes);
  draw("classes", classes, makeClass);
  // In place: who switches classes by keys keeps the focus while detections come.
  const counts = byId("classes").querySelectorAll("b");
  classes.forEach(({ name }, i) => {
    const count = detections.filter((found) => found === name).length;
    counts[i].textContent = count ? String(count) : "";
  });
}

function makeClass({ name, color }) {
  const item = element("li");
  const label = element("label");
  const box = element("input");
  box.type = "checkbox";
  box.checked = !liveClasses.hidden.has(name);
  box.onchange = () => liveClasses.toggle(name, box.checked);
  const swatch = element("i", "", "swatch");
  swatch.style.background = color;
  label.append(box, swatch, element("span", name.replaceAll("_", " ")));
  item.append(label, element("b"));
  return item;
}

// Rows are made anew only when they change: detections come with every picture.
function draw(id, items, make) {
  const text = JSON.stringify(items);
  if (drawn[id] === text) return;
  drawn[id] = text;
  const made = items.map(make);
  if (tables[id]) tables[id].fill(made);
  else byId(id).replaceChildren(...made);
}

function tableRow(head, text) {
  const row = element("tr");
  const th = element("th", head);
  th.scope = "row";
  row.append(th, element("td", text, "n"));
  return row;
}

// --- once a second ---

function tick() {
  if (numbers === null) return;
  const silence = Date.now() - heardAt;
  if (numbers.readyState !== EventSource.OPEN || silence > SILENCE_MS) {
    if (silence > SILENCE_MS) lose(silence);
    if (numbers.readyState === EventSource.CLOSED) {
      stop();
      start();
    }
    return;
  }
  for (const figure of document.querySelectorAll("figure")) {
    if (isLost(streams[figure.dataset.name])) startPicture(figure);
  }
  remember("rate", values["mask_hz"]);
  remember("latency", values["latency_ms.p95"]);
}

function lose(silence) {
  values = {};
  say("waiting", `no word from the watch command for ${Math.round(silence / 1000)} s: waiting for it`);
  document.querySelectorAll(".picture").forEach((picture) => picture.classList.add("waiting"));
  renderTiles(null);
  renderCauses();
}

function remember(name, text) {
  const seen = history[name];
  if (text === undefined && seen.length === 0) return;
  seen.push(Number(text ?? 0));
  if (seen.length > HISTORY) seen.shift();
  const top = Math.max(...seen) || 1;
  const left = HISTORY - seen.length;
  const points = seen.map((value, i) => `${left + i},${(23 - 22 * value / top).toFixed(1)}`);
  byId(`${name}-history`).querySelector("polyline").setAttribute("points", points.join(" "));
}

for (const [name, title] of Object.entries(PICTURES)) {
  const button = element("button", title);
  button.type = "button";
  button.dataset.name = name;
  button.onclick = () => toggle(name);
  byId("choice").append(button);
}
for (const id of ["causes", "values"]) tables[id] = new DataTable(byId(id).parentElement);

const zoom = new Zoom(byId("pictures"), {
  changed: ({ scale }) => {
    byId("zoom-out").disabled = byId("zoom-reset").disabled = scale === 1;
    byId("zoom-in").disabled = scale >= MOST_ZOOM;
  },
  pointed: (place) => liveClasses.point(place),
});
byId("zoom-in").onclick = () => zoom.by(1.5);
byId("zoom-out").onclick = () => zoom.by(1 / 1.5);
byId("zoom-reset").onclick = () => zoom.reset();
new Keys([
  ...Object.entries(PICTURES).map(([name, title], i) => (
    { keys: [String(i + 1)], shown: String(i + 1), what: `${title} on and off`, run: () => toggle(name) })),
  ...zoomKeys(zoom),
]);
// A finger does not leave as a mouse does, and what is told costs the robot a stream or two.
document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest("#pictures, .look")) zoom.point(null);
});
liveClasses.changed = showPictures;
showPictures();
addEventListener("hashchange", showPictures);
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
addEventListener("pagehide", stop);
addEventListener("pageshow", start);
setInterval(tick, 1000);
