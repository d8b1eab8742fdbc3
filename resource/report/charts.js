// Charts as SVG at their real size, so that text stays legible on a phone. They tell values under the pointer, show
// where the scrubber is ("frame" events) and take it where they are clicked ("seek" events).
"use strict";
const page = JSON.parse(document.getElementById("data").textContent);

const LEFT = 44, RIGHT = 8, BOTTOM = 20, TOP = 8;
const COLORS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"].map((name) => `var(${name})`);
const LEVELS = { ok: "var(--ok)", warn: "var(--warn)", error: "var(--error)", stale: "var(--error)", idle: "var(--idle)" };
// The worse, the higher: the levels are told apart without colours, too.
const HEIGHTS = { ok: 8, idle: 8, warn: 13, error: 18, stale: 18 };

function draw(parent, tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return parent.appendChild(element);
}

function show(value, unit = "") {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 1 ? 1 : 2;
  return `${value.toFixed(digits).replace("-", "−")}${unit && " " + unit}`;
}

// At most so many round values, no closer to each other than `least`.
function ticks(low, high, most, least = 0) {
  const step = [1, 2, 5].flatMap((m) => [-2, -1, 0, 1, 2, 3, 4, 5].map((e) => m * 10 ** e))
    .sort((a, b) => a - b).find((size) => size >= least && (high - low) / size <= most) ?? high - low;
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6; i++) values.push(i * step);
  return { values, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

class Chart {
  constructor(figure) {
    this.spec = page.charts[figure.dataset.chart];
    this.plot = figure.querySelector(".plot");
    this.tip = figure.querySelector(".tip");
    this.timed = this.spec.kind !== "histogram";
    this.names = Object.keys(this.spec.data.series ?? {});
    this.drawKey(figure.querySelector(".key"));
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    if (this.timed) {
      this.plot.addEventListener("click", (event) => {
        document.dispatchEvent(new CustomEvent("seek", { detail: this.place(event) }));
      });
      document.addEventListener("frame", (event) => this.mark(event.detail));
    }
    new ResizeObserver(() => this.redraw()).observe(this.plot);
  }

  color(name) {
    if (name === "surplus") return "var(--surplus)";
    return this.spec.data.colors?.[name] ?? COLORS[this.names.indexOf(name) % COLORS.length];
  }

  drawKey(key) {
    for (const [level, name] of Object.entries(this.spec.data.levels ?? {})) {
      this.addToKey(key, name, LEVELS[level]).style.height = `${HEIGHTS[level] / 20}rem`;
    }
    if (this.names.length < 2 && this.spec.kind !== "bars") return;
    for (const name of this.names) this.addToKey(key, name, this.color(name));
  }

  addToKey(key, name, color) {
    const entry = key.appendChild(document.createElement("span"));
    const swatch = entry.appendChild(document.createElement("span"));
    swatch.className = "swatch";
    swatch.style.background = color;
    entry.append(name);
    return swatch;
  }

  redraw() {
    const { kind, data } = this.spec;
    this.width = Math.max(this.plot.clientWidth, 120);
    this.height = kind === "strip" ? 24 * data.rows.length + BOTTOM + TOP : 150;
    const edges = data.edges ?? [];
    const [low, high] = this.timed ? [page.timeline.start, page.timeline.end] : [edges[0], edges.at(-1)];
    [this.low, this.high] = [low, high];
    this.svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    // On paper it is as wide as that is.
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.drawAxis();
    this[kind]();
    this.plot.replaceChildren(this.svg);
    if (this.now !== undefined) this.mark(this.now);
  }

  x(place) { return LEFT + (place - this.low) / (this.high - this.low) * (this.width - LEFT - RIGHT); }
  y(value) { return this.height - BOTTOM - (value - this.least) / (this.most - this.least) * (this.height - BOTTOM - TOP); }

  drawAxis() {
    const base = this.height - BOTTOM;
    const { values, digits } = ticks(this.low, this.high, this.width / 80);
    const unit = this.timed ? (page.timeline.recording ? " s" : "") : ` ${this.spec.unit}`;
    values.forEach((value, i) => {
      const text = value.toFixed(digits) + (i === values.length - 1 ? unit : "");
      // Digits are some 7 pixels wide: the last one stays within the plot.
      const atEnd = this.x(value) + 3.5 * text.length > this.width;
      draw(this.svg, "text", { x: atEnd ? this.width : this.x(value), y: base + 15, "text-anchor": atEnd ? "end" : "middle" }, text);
    });
  }

  drawScale(least, most, step = 0) {
    [this.least, this.most] = [least, most > least ? most : least + 1];
    const { values, digits } = ticks(this.least, this.most, 5, step);
    for (const value of values) {
      const y = this.y(value);
      draw(this.svg, "line", { class: value === 0 ? "axis" : "grid", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y });
      draw(this.svg, "text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, value.toFixed(digits).replace("-", "−"));
    }
  }

  points() {
    const { series, lines } = this.spec.data;
    const values = Object.values(series).flat().map((point) => point[1]);
    this.drawScale(Math.min(0, ...values) * 1.05, Math.max(0, ...values) * 1.05);
    for (const [name, value] of Object.entries(lines)) {
      const y = this.y(value);
      draw(this.svg, "line", { class: "level", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y, "stroke-dasharray": name === "p50" ? "" : "5 4" });
      // Lines close to each other would have their names on each other: the lower one's goes below it.
      const near = Object.values(lines).some((other) => other > value && y - this.y(other) < 14);
      draw(this.svg, "text", { x: this.width - RIGHT, y: near ? y + 12 : y - 4, "text-anchor": "end" }, name);
    }
    for (const name of this.names) {
      for (const [place, value] of series[name]) {
        draw(this.svg, "circle", { cx: this.x(place), cy: this.y(value), r: 2.4, fill: this.color(name), "fill-opacity": 0.8 });
      }
    }
  }

  bars() {
    const { spans, series } = this.spec.data;
    const sums = spans.map((_, i) => this.names.reduce((sum, name) => sum + series[name][i], 0));
    this.drawScale(0, Math.max(1, ...sums), 1);
    spans.forEach(([from, to], i) => {
      let below = 0;
      for (const name of this.names) {
        const top = below + series[name][i];
        if (top > below) this.drawBar(from, to, below, top, this.color(name));
        below = top;
      }
    });
  }

  histogram() {
    const { edges, series } = this.spec.data;
    this.drawScale(0, Math.max(1, ...Object.values(series).flat()), 1);
    for (const name of this.names) {
      series[name].forEach((count, i) => count && this.drawBar(edges[i], edges[i + 1], 0, count, this.color(name), 0.6));
    }
  }

  drawBar(from, to, below, top, fill, opacity = 1) {
    const x = this.x(from), width = Math.max(this.x(to) - x, 1);
    draw(this.svg, "rect", { class: "bar", x, width, y: this.y(top), height: this.y(below) - this.y(top), fill, "fill-opacity": opacity });
  }

  strip() {
    this.spec.data.rows.forEach(([name, segments], row) => {
      draw(this.svg, "text", { x: LEFT - 6, y: TOP + 24 * row + 13, "text-anchor": "end" }, name === "thermal" ? "therm." : name);
      for (const [from, to, level] of segments) {
        const x = this.x(from);
        const height = HEIGHTS[level] ?? 8;
        draw(this.svg, "rect", { x, y: TOP + 24 * row + 18 - height, width: Math.max(this.x(to) - x, 1), height, fill: LEVELS[level] ?? "var(--idle)" });
      }
    });
  }

  place(event) {
    const share = (event.clientX - this.plot.getBoundingClientRect().left - LEFT) / (this.width - LEFT - RIGHT);
    return this.low + Math.min(Math.max(share, 0), 1) * (this.high - this.low);
  }

  point(event) {
    const place = this.place(event), box = this.plot.getBoundingClientRect();
    this.tip.textContent = this.tell(place, event.clientY - box.top);
    this.tip.hidden = false;
    const x = event.clientX - box.left;
    this.tip.style.left = `${Math.min(Math.max(x - this.tip.offsetWidth / 2, 0), this.width - this.tip.offsetWidth)}px`;
    this.tip.style.top = `${this.plot.offsetTop - this.tip.offsetHeight - 2}px`;
  }

  tell(place, y) {
    const { kind, data, unit } = this.spec;
    const at = (from) => page.timeline.recording ? `${from.toFixed(2)} s` : `image ${Math.round(from)}`;
    if (kind === "points") {
      const found = this.names.filter((name) => data.series[name].length).map((name) => {
        const nearest = data.series[name].reduce((a, b) => Math.abs(b[0] - place) < Math.abs(a[0] - place) ? b : a);
        return [nearest[0], `${this.names.length > 1 ? name + ": " : ""}${show(nearest[1], unit)}`];
      });
      return [at(found[0][0]), ...found.map((entry) => entry[1])].join("\n");
    }
    if (kind === "strip") {
      const [name, segments] = data.rows[Math.min(Math.max(Math.floor((y - TOP) / 24), 0), data.rows.length - 1)];
      const [from, to, , text] = segments.find((segment) => place <= segment[1]) ?? segments.at(-1);
      return `${at(from)} to ${at(to)}, ${name}\n${text}`;
    }
    const spans = data.spans ?? data.edges.slice(1).map((to, i) => [data.edges[i], to]);
    const found = spans.findIndex(([from, to]) => from <= place && place < to);
    const bin = found >= 0 ? found : place < spans[0][0] ? 0 : spans.length - 1;
    const [from, to] = spans[bin];
    const counts = this.names.map((name) => [name, data.series[name][bin]]).filter((entry) => entry[1]);
    const range = this.timed ? at(from) : `${show(from)} to ${show(to, unit)}`;
    return [range, ...counts.map(([name, count]) => `${name}: ${show(count)}`), ...(counts.length ? [] : ["none"])].join("\n");
  }

  mark(place) {
    this.now = place;
    this.svg?.querySelector(".now")?.remove();
    const x = this.x(place);
    if (this.svg) draw(this.svg, "line", { class: "now", x1: x, x2: x, y1: TOP - 4, y2: this.height - BOTTOM });
  }
}

function drawDistribution(element) {
  const { most, percentiles, counts } = JSON.parse(element.dataset.distribution);
  const svg = draw(element, "svg", { viewBox: "0 0 100 28", preserveAspectRatio: "none", "aria-hidden": "true" });
  const x = (value) => 100 * value / most;
  draw(svg, "line", { x1: 0, x2: 100, y1: 27.5, y2: 27.5, stroke: "var(--line)" });
  if (counts) {
    const highest = Math.max(...counts);
    counts.forEach((count, i) => {
      const height = count ? Math.max(26 * count / highest, 1.5) : 0;
      draw(svg, "rect", { x: 100 * i / counts.length, width: 100 / counts.length - 0.15, y: 27 - height, height, fill: "var(--c1)" });
    });
  } else if (percentiles.p50 !== null) {
    draw(svg, "rect", { x: 0, width: x(percentiles.p50 ?? 0), y: 10, height: 8, fill: "var(--c1)" });
    draw(svg, "rect", { x: x(percentiles.p50 ?? 0), width: x((percentiles.p95 ?? 0) - (percentiles.p50 ?? 0)), y: 13, height: 2, fill: "var(--c1)" });
    draw(svg, "rect", { x: x(percentiles.p99 ?? 0), width: 0.4, y: 8, height: 12, fill: "var(--c1)" });
  }
}

document.querySelectorAll(".chart:has(.plot)").forEach((figure) => new Chart(figure));
document.querySelectorAll(".distribution").forEach(drawDistribution);
