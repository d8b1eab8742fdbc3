// The frames: one slider, arrow keys, a play button and jumps from worst frames and charts move all pictures at once.
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
    const opacity = document.getElementById("opacity"), boxes = document.getElementById("boxes");
    const restyle = () => {
      for (const layer of document.querySelectorAll(".layer")) layer.style.opacity = opacity.value / 100;
      for (const svg of root.querySelectorAll(".boxes")) svg.style.display = boxes.checked ? "" : "none";
    };
    opacity.addEventListener("input", restyle);
    boxes.addEventListener("change", restyle);
    document.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("seek", (event) => { this.pause(); this.show(this.nearest(event.detail)); });
    for (const button of document.querySelectorAll(".jump")) this.prepareJump(button);
    restyle();
    this.show(0);
  }

  prepareJump(button) {
    const index = this.frames.findIndex((frame) => frame.stamp === button.dataset.stamp);
    const frame = this.frames[index];
    if (!frame) { button.disabled = true; return; }
    const { pictures } = frame;
    this.place(button.querySelector(".base"), pictures.rgb ?? pictures.thermal, "");
    this.place(button.querySelector(".layer"), pictures.mask ?? pictures.difference, "");
    button.querySelector(".muted").textContent = frame.title;
    button.addEventListener("click", () => {
      this.pause();
      this.show(index);
      this.scrubber.focus({ preventScroll: true });
      this.root.scrollIntoView({ block: "nearest" });
    });
  }

  onKey(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    const typing = event.target.matches("input, select, textarea");
    if (typing || event.altKey || event.ctrlKey || event.metaKey || !(event.key in steps)) return;
    event.preventDefault();
    this.step(steps[event.key]);
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
    this.tell(frame);
    document.dispatchEvent(new CustomEvent("frame", { detail: frame.position }));
  }

  fill(figure, frame) {
    const title = figure.querySelector("figcaption").firstChild.textContent;
    const picture = figure.querySelector(".picture");
    const base = figure.dataset.base.split(" ").map((kind) => frame.pictures[kind]).find(Boolean);
    const layer = frame.pictures[figure.dataset.layer];
    const missing = !base || (figure.dataset.layer && !layer);
    picture.style.aspectRatio = `${frame.size[0]} / ${frame.size[1]}`;
    this.place(picture.querySelector(".base"), base, `${title} at ${frame.title}`);
    this.place(picture.querySelector(".layer"), layer, "");
    picture.querySelector(".none").hidden = !missing;
    const svg = picture.querySelector(".boxes");
    if (svg) this.drawBoxes(svg, frame, frame.boxes[figure.dataset.boxes] ?? []);
  }

  place(image, address, text) {
    if (!image) return;
    image.hidden = !address;
    if (address) { image.src = address; image.alt = text; }
  }

  drawBoxes(svg, frame, boxes) {
    const [width, height] = frame.size;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    const size = Math.max(width, height) / 34;
    for (const { rectangle: [x, y, w, h], text, color } of boxes) {
      draw(svg, "rect", { x, y, width: w, height: h, fill: "none", stroke: "#000", "stroke-width": 3, "stroke-opacity": 0.5, "vector-effect": "non-scaling-stroke" });
      draw(svg, "rect", { x, y, width: w, height: h, fill: "none", stroke: color, "stroke-width": 2, "vector-effect": "non-scaling-stroke" });
      const right = x > width * 0.7;
      draw(svg, "text", { x: right ? x + w : x, y: y > size * 1.2 ? y - size * 0.3 : y + h + size, "font-size": size, "stroke-width": size / 6, "text-anchor": right ? "end" : "start" }, text);
    }
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
if (viewerRoot) new Viewer(viewerRoot);
