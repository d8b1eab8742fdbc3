// Classes of the masks: each is switched on and off, and told under the pointer. Masks are PNGs with class ids for
// pixels and colours in a palette: a class is hidden by making its palette entry transparent, and ids are read by
// drawing the picture with the ids themselves for colours. So both are exact, whatever the colours are.
"use strict";

const CRC = Uint32Array.from({ length: 256 }, (_, i) => {
  for (let bit = 0; bit < 8; bit++) i = i & 1 ? 0xedb88320 ^ (i >>> 1) : i >>> 1;
  return i;
});

function crc(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = CRC[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

// The address of a PNG with its palette (PLTE) and transparency (tRNS) changed by functions of their bytes.
function repaint(address, change) {
  const [head, code] = address.split(",");
  const bytes = Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  for (let start = 8; start + 12 <= bytes.length; start += 12 + view.getUint32(start)) {
    const end = start + 8 + view.getUint32(start);
    const name = String.fromCharCode(...bytes.subarray(start + 4, start + 8));
    if (!(name in change)) continue;
    change[name](bytes.subarray(start + 8, end));
    view.setUint32(end, crc(bytes.subarray(start + 4, end)));
  }
  let text = "";
  for (let start = 0; start < bytes.length; start += 4096) text += String.fromCharCode(...bytes.subarray(start, start + 4096));
  return `${head},${btoa(text)}`;
}

function hideIds(address, ids) {
  return repaint(address, { tRNS: (alphas) => { for (const id of ids) if (id < alphas.length) alphas[id] = 0; } });
}

// A picture's pixels; red is what is asked for: an id, or a grey.
async function readReds(address, isMask) {
  const image = new Image();
  image.src = isMask ? repaint(address, { PLTE: (colors) => colors.forEach((_, i) => { colors[i] = i / 3; }), tRNS: (alphas) => alphas.fill(255) }) : address;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  return ({ x, y }) => data[4 * (Math.min(Math.floor(y * height), height - 1) * width + Math.min(Math.floor(x * width), width - 1))];
}

const asWords = (name) => name.replaceAll("_", " ");

class Classes {
  constructor(switches, changed) {
    this.hidden = new Set();
    this.boxes = [...(switches?.querySelectorAll("input[data-class]") ?? [])];
    for (const box of this.boxes) {
      box.addEventListener("change", () => {
        this.hidden[box.checked ? "delete" : "add"](box.dataset.class);
        changed();
      });
    }
    for (const button of switches?.querySelectorAll("button[data-all]") ?? []) {
      button.addEventListener("click", () => {
        for (const box of this.boxes) {
          box.checked = button.dataset.all === "on";
          this.hidden[box.checked ? "delete" : "add"](box.dataset.class);
        }
        changed();
      });
    }
  }

  // A layer's address without the classes that are hidden; layers of no classes stay as they are.
  shown(address, kind) {
    const names = page.classes[kind];
    if (!address || !names || this.hidden.size === 0) return address;
    const ids = names.map((_, id) => id).filter((id) => this.hidden.has(names[id])).map((id) => id % 256);
    return ids.length ? hideIds(address, ids) : address;
  }

  // Ids come again after 256, 255 is unlabeled.
  name(kind, id) {
    const names = page.classes[kind].filter((_, i) => i % 256 === id && i !== 255);
    return names.length ? names.map(asWords).join(" or ") : "unlabeled";
  }
}

// What is under the pointer in all pictures of a frame, in one line of text.
class Probe {
  constructor(element, classes) {
    Object.assign(this, { element, classes, frame: null, place: null, readers: new Map() });
    this.idle = element.textContent;
  }

  show(frame) {
    this.frame = frame;
    this.readers.clear();
    if (this.place) this.point(this.place);
  }

  reader(address, isMask) {
    if (!this.readers.has(address)) this.readers.set(address, readReds(address, isMask));
    return this.readers.get(address);
  }

  async point(place) {
    this.place = place;
    if (place === null) {
      this.element.textContent = this.idle;
      return "";
    }
    const { frame } = this;
    const told = await Promise.all([...document.querySelectorAll("#viewer figure")].map((figure) => this.tell(figure, frame, place)));
    const [x, y] = [place.x * frame.size[0], place.y * frame.size[1]];
    const boxes = Object.values(frame.boxes).flat().filter(({ rectangle: [left, top, width, height], name }) =>
      x >= left && x <= left + width && y >= top && y <= top + height && !this.classes.hidden.has(name));
    const found = [...told.filter(Boolean), ...new Set(boxes.map(({ text }) => `detection: ${text}`))];
    const text = [...found, `pixel ${Math.floor(Math.min(x, frame.size[0] - 1))}, ${Math.floor(Math.min(y, frame.size[1] - 1))}`].join(" · ");
    // Meanwhile the pointer or the frame may have moved on.
    if (this.place === place && this.frame === frame) this.element.textContent = text;
    return text;
  }

  async tell(figure, frame, place) {
    const title = figure.dataset.title, kind = figure.dataset.layer || figure.dataset.base;
    const address = frame.pictures[kind];
    const isMask = kind in page.classes;
    if (!address || (!isMask && !kind.endsWith("confidence"))) return "";
    const red = (await this.reader(address, isMask))(place);
    return `${title}: ${isMask ? this.classes.name(kind, red) : `${Math.round(red / 2.55)} %`}`;
  }
}
