// The frames: one slider, keys, a play button and jumps from best and worst frames and charts move all pictures at once.
class Viewer {
  constructor(root) {
    this.root = root;
    this.frames = page.frames;
    this.figures = [...root.querySelectorAll("figure")];
    this.scrubber = document.getElementById("scrubber");
    this.playButton = document.getElementById("play");
    this.timer = null;
    this.scrubber.addEventListener("input", () => { this.pause(); this.show(Number(this.scrubber.value)); });
    this.playButton.addEventListener("click", () => this.timer === null ? this.play() : this.pause());
    document.getElementById("previous").addEventListener("click", () => this.step(-1));
    document.getElementById("next").addEventListener("click", () => this.step(1));
    this.opacity = document.getElementById("opacity");
    this.boxes = document.getElementById("boxes");
    this.opacity.addEventListener("input", () => this.restyle());
    this.boxes.addEventListener("change", () => this.drawAllBoxes());
    this.classes = new Classes(document.getElementById("legend"), () => this.reclass());
    this.probe = new Probe(document.getElementById("probe"), this.classes);
    this.jumps = [...document.querySelectorAll(".jump")];
    for (const button of this.jumps) this.prepareJump(button);
    this.zoom = new Zoom(root.querySelector(".panels"), {
      changed: (zoom) => this.onZoom(zoom),
      pointed: (place) => { this.told = this.probe.point(place); },
    });
    for (const [id, run] of [["zoom-in", () => this.zoom.by(1.5)], ["zoom-out", () => this.zoom.by(1 / 1.5)], ["zoom-reset", () => this.zoom.reset()]]) {
      document.getElementById(id).addEventListener("click", run);
    }
    document.addEventListener("seek", (event) => { this.pause(); this.show(this.nearest(event.detail)); });
    new ResizeObserver(() => this.drawAllBoxes()).observe(this.figures[0]);
    this.restyle();
    this.show(0);
  }

  keys() {
    const aloud = ({ run, ...entry }) => ({ ...entry, run: () => { run(); this.told?.then((text) => say(text)); } });
    return [
      { keys: ["ArrowLeft"], shown: "←", what: "the frame before", run: () => this.step(-1) },
      { keys: ["ArrowRight"], shown: "→", what: "the next frame", run: () => this.step(1) },
      { keys: ["Home"], shown: "Home", what: "the first frame", run: () => this.step(-this.index) },
      { keys: ["End"], shown: "End", what: "the last frame", run: () => this.step(this.frames.length) },
      { keys: [" "], shown: "Space", what: "play and pause", run: () => this.timer === null ? this.play() : this.pause() },
      ...zoomKeys(this.zoom).map(aloud),
      { keys: ["d"], shown: "d", what: "detections on and off", run: () => this.boxes.click() },
      { keys: ["c"], shown: "c", what: "all classes on and off", run: () => document.querySelector(`#legend [data-all=${this.classes.hidden.size ? "on" : "off"}]`).click() },
    ];
  }

  restyle() {
    for (const layer of document.querySelectorAll(".layer")) layer.style.opacity = this.opacity.value / 100;
  }

  // After classes were switched on or off.
  reclass() {
    for (const figure of this.figures) this.fill(figure, this.frames[this.index]);
    for (const button of this.jumps) this.fillJump(button);
    this.probe.point(this.probe.place);
  }

  onZoom(zoom) {
    document.getElementById("zoom-reset").disabled = document.getElementById("zoom-out").disabled = zoom.scale === 1;
    document.getElementById("zoom-in").disabled = zoom.scale >= MOST_ZOOM;
    if (this.zoom) this.drawAllBoxes();
  }

  fillJump(button) {
    const { pictures } = this.frames.find((frame) => frame.stamp === button.dataset.stamp);
    this.place(button.querySelector(".base"), pictures.rgb ?? pictures.thermal, "");
    this.place(button.querySelector(".layer"), this.classes.shown(pictures.mask, "mask") ?? pictures.difference, "");
  }

  prepareJump(button) {
    const index = this.frames.findIndex((frame) => frame.stamp === button.dataset.stamp);
    if (index < 0) { button.disabled = true; return; }
    this.fillJump(button);
    button.addEventListener("click", () => {
      this.pause();
      this.show(index);
      this.scrubber.focus({ preventScroll: true });
      this.root.scrollIntoView({ block: "nearest" });
    });
  }

  step(by) {
    this.pause();
    this.show(Math.min(Math.max(this.index + by, 0), this.frames.length - 1));
  }

  play() {
    this.playButton.setAttribute("aria-pressed", "true");
    this.playButton.setAttribute("aria-label", "pause");
    if (this.index === this.frames.length - 1) this.show(0);
    this.wait();
  }

  // As long as between the frames' stamps, but never so long or short that one cannot follow; names have a second.
  wait() {
    const next = this.frames[this.index + 1];
    if (!next) { this.pause(); return; }
    const seconds = page.timeline.recording ? next.position - this.frames[this.index].position : 1;
    this.timer = setTimeout(() => { this.show(this.index + 1); this.wait(); }, 1000 * Math.min(Math.max(seconds, 0.05), 1));
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
    this.playButton.setAttribute("aria-pressed", "false");
    this.playButton.setAttribute("aria-label", "play");
  }

  nearest(place) {
    const far = this.frames.map((frame) => Math.abs(frame.position - place));
    return far.indexOf(Math.min(...far));
  }

  show(index) {
    const frame = this.frames[index];
    this.index = index;
    this.scrubber.value = index;
    this.scrubber.setAttribute("aria-valuetext", frame.title);
    document.getElementById("clock").textContent = frame.title;
    for (const figure of this.figures) this.fill(figure, frame);
    this.probe.show(frame);
    this.tell(frame);
    document.dispatchEvent(new CustomEvent("frame", { detail: frame.position }));
  }

  fill(figure, frame) {
    const { title, base: kinds, layer: kind } = figure.dataset;
    const picture = figure.querySelector(".picture");
    const base = kinds.split(" ").map((name) => frame.pictures[name]).find(Boolean);
    const layer = this.classes.shown(frame.pictures[kind], kind);
    const missing = !base || (kind && !layer);
    picture.style.aspectRatio = `${frame.size[0]} / ${frame.size[1]}`;
    this.place(picture.querySelector(".base"), base, `${title} at ${frame.title}`);
    this.place(picture.querySelector(".layer"), layer, "");
    picture.querySelector(".none").hidden = !missing;
    this.drawBoxes(figure, frame);
  }

  place(image, address, text) {
    if (!image) return;
    image.hidden = !address;
    if (address) { image.src = address; image.alt = text; }
  }

  drawAllBoxes() {
    for (const figure of this.figures) this.drawBoxes(figure, this.frames[this.index]);
  }

  drawBoxes(figure, frame) {
    const svg = figure.querySelector(".boxes");
    if (!svg) return;
    svg.style.display = this.boxes.checked ? "" : "none";
    const boxes = (frame.boxes[figure.dataset.boxes] ?? []).filter(({ name }) => !this.classes.hidden.has(name));
    const left = drawBoxes(svg, frame, boxes, this.zoom);
    figure.querySelector(".left").textContent = left && this.boxes.checked ? `no room for ${left} of ${boxes.length} labels: zoom in` : "";
  }

  tell(frame) {
    const list = document.createElement("dl");
    for (const [what, ...values] of [...frame.facts, ...(page.timeline.recording ? [["stamp", this.stampText(frame.stamp)]] : [])]) {
      const entry = list.appendChild(document.createElement("div"));
      entry.appendChild(document.createElement("dt")).textContent = what;
      values.forEach((value, i) => {
        const cell = entry.appendChild(document.createElement("dd"));
        if (values.length > 1) {
          const letter = cell.appendChild(document.createElement("span"));
          letter.className = `letter ${"AB"[i]}`;
          letter.textContent = "AB"[i];
        }
        cell.append(value);
      });
    }
    document.getElementById("facts").replaceChildren(list);
  }

  stampText(nanoseconds) {
    const digits = nanoseconds.padStart(10, "0");
    return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
  }
}

const viewerRoot = document.getElementById("viewer");
const viewer = viewerRoot && new Viewer(viewerRoot);
new Keys(viewer ? viewer.keys() : []);
document.querySelectorAll("main table").forEach((table) => new DataTable(table));
