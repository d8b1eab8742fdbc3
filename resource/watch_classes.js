// Classes in the live pictures: what is under the pointer, and which are switched off. The mask's stream is of PNGs, so
// its colours say exactly what class a pixel has. It is asked for, unseen, while somebody points or hides a class.
"use strict";

const EDIT_MS = 200; // how often pictures are drawn anew without the classes that are hidden
const REST_MS = 300; // a pointer that only passes asks for nothing
const STREAMS = 5; // browsers open six connections to a place, and one has the numbers

class LiveClasses {
  constructor() {
    this.hidden = new Set();
    this.byColor = new Map();
    this.place = null;
    this.probe = document.getElementById("probe");
    this.idle = this.probe.textContent;
    this.changed = () => {};
    this.rest = null;
    setInterval(() => this.tick(), EDIT_MS);
  }

  setClasses(classes) {
    this.byColor.clear();
    for (const { name, color } of classes) {
      const names = this.byColor.get(color) ?? [];
      this.byColor.set(color, [...names, name]);
    }
  }

  // Pictures that are needed besides those that are chosen.
  needed(chosen) {
    const names = [];
    const edits = this.hidden.size > 0 && (chosen.includes("overlay") || chosen.includes("mask"));
    if (edits || this.place) names.push("mask");
    if (this.place) names.push("confidence");
    const more = names.filter((name) => !chosen.includes(name));
    return more.slice(0, STREAMS - chosen.length);
  }

  toggle(name, shown) {
    this.hidden[shown ? "delete" : "add"](name);
    document.getElementById("hiding").hidden = this.hidden.size === 0;
    this.changed();
    this.tick();
  }

  point(place) {
    clearTimeout(this.rest);
    if (place === null || this.place) {
      const came = (place === null) !== (this.place === null);
      this.place = place;
      if (came) this.changed();
      this.tick();
    } else {
      this.rest = setTimeout(() => { this.place = place; this.changed(); this.tick(); }, REST_MS);
    }
  }

  tick() {
    if (this.place === null) this.probe.textContent = this.idle;
    const edited = document.querySelectorAll("#pictures canvas:not([hidden])");
    if (this.place === null && this.hidden.size === 0 && edited.length === 0) return;
    const mask = pixelsOf("mask");
    if (this.place) this.probe.textContent = this.tell(mask);
    const hides = this.hidden.size > 0 && mask !== null;
    for (const name of ["mask", "overlay"]) {
      const canvas = document.querySelector(`#figure-${name}:not(.unseen) canvas`);
      if (!canvas) continue;
      canvas.hidden = !hides;
      if (hides) this.edit(canvas, name, mask);
    }
  }

  tell(mask) {
    if (mask === null) return "The class of this place is told when the next mask comes.";
    const at = ({ width, height }) => {
      const [x, y] = [Math.floor(this.place.x * width), Math.floor(this.place.y * height)];
      return Math.min(y, height - 1) * width + Math.min(x, width - 1);
    };
    const names = this.byColor.get(colorAt(mask.data, at(mask))) ?? ["unlabeled"];
    const told = [`class: ${names.map((name) => name.replaceAll("_", " ")).join(" or ")}`];
    const confidence = pixelsOf("confidence");
    if (confidence) told.push(`confidence: ${Math.round(confidence.data[4 * at(confidence)] / 2.55)} %`);
    return told.join(" · ");
  }

  // Hidden classes become black in the mask; in the overlay grey, since what was under their colour is not known.
  edit(canvas, name, mask) {
    const picture = name === "mask" ? mask : pixelsOf(name);
    if (picture === null) return;
    const hidden = new Set();
    for (const [color, names] of this.byColor) if (names.some((each) => this.hidden.has(each))) hidden.add(parseInt(color.slice(1), 16));
    const { data, width, height } = picture;
    for (let y = 0; y < height; y++) {
      const row = Math.floor(y * mask.height / height) * mask.width;
      for (let x = 0; x < width; x++) {
        const from = 4 * (row + Math.floor(x * mask.width / width));
        const color = mask.colors[from] << 16 | mask.colors[from + 1] << 8 | mask.colors[from + 2];
        if (!hidden.has(color)) continue;
        const to = 4 * (y * width + x);
        const grey = name === "mask" ? 0 : 0.299 * data[to] + 0.587 * data[to + 1] + 0.114 * data[to + 2];
        data[to] = data[to + 1] = data[to + 2] = grey;
      }
    }
    [canvas.width, canvas.height] = [width, height];
    canvas.getContext("2d", { willReadFrequently: true }).putImageData(new ImageData(data, width, height), 0, 0);
  }
}

function colorAt(data, pixel) {
  return `#${[0, 1, 2].map((i) => data[4 * pixel + i].toString(16).padStart(2, "0")).join("")}`;
}

// The newest picture of a stream as it is; null where none has come, or none comes any more.
function pixelsOf(name) {
  const image = document.querySelector(`#figure-${name} img`);
  if (!image?.naturalWidth || image.closest(".waiting")) return null;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { data, colors: data.slice(), width, height };
}
