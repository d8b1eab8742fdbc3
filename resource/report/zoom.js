// Zoom and pan of all pictures in step: wheel, pinch, drag, double click, and what keys and buttons ask for. The live
// page uses it as well. Pictures are .picture elements in the root, at any time; what moves in them is a .sheet.
"use strict";

const MOST_ZOOM = 16;
const SCROLLING_MS = 400; // a wheel that scrolls the page goes on doing so when pictures come under it
const DRAG_PX = 4; // less is a click

class Zoom {
  // `changed` is called after every change; `pointed` with the place under the pointer, 0 to 1 of the picture's width
  // and height, or null once there is none.
  constructor(root, { changed = () => {}, pointed = () => {} } = {}) {
    Object.assign(this, { root, changed, pointed, scale: 1, left: 0, top: 0, at: null });
    this.pointers = new Map();
    this.scrolledAt = -SCROLLING_MS;
    addEventListener("scroll", () => { this.scrolledAt = performance.now(); }, { passive: true });
    root.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    root.addEventListener("dblclick", (event) => { if (event.target.closest(".picture")) this.reset(); });
    // Browsers would drag the image itself away.
    root.addEventListener("dragstart", (event) => event.preventDefault());
    root.addEventListener("pointerdown", (event) => this.onDown(event));
    root.addEventListener("pointermove", (event) => this.onMove(event));
    for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, (event) => this.onUp(event));
    // A finger that was lifted has left as well, and what it has touched is still to be read.
    root.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") this.point(null); });
    this.apply();
  }

  // Where in its window a picture is hit, 0 to 1.
  where(event) {
    const picture = event.target.closest(".picture");
    if (!picture || !this.root.contains(picture)) return null;
    return this.within(picture.getBoundingClientRect(), event.clientX, event.clientY);
  }

  within(box, x, y) {
    const share = (value) => Math.min(Math.max(value, 0), 1);
    return { x: share((x - box.left) / box.width), y: share((y - box.top) / box.height), box };
  }

  onWheel(event) {
    const at = this.where(event);
    const scrolls = this.scale === 1 && (event.deltaY > 0 || performance.now() - this.scrolledAt < SCROLLING_MS);
    if (!at || event.deltaY === 0 || (scrolls && !event.ctrlKey)) return;
    event.preventDefault();
    const notches = event.deltaY * (event.deltaMode === 1 ? 33 : event.deltaMode === 2 ? 100 : 1);
    this.at = at;
    this.by(Math.exp(-Math.min(Math.max(notches, -200), 200) / 300), at.x, at.y);
  }

  onDown(event) {
    const at = this.where(event);
    if (!at || event.button !== 0) return;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, box: at.box, moved: false });
    this.point(at);
  }

  onMove(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (pointer && this.drag(event, pointer)) return;
    this.point(this.where(event));
  }

  // Move the picture with one pointer, or zoom it with two.
  drag(event, pointer) {
    const far = Math.hypot(event.clientX - pointer.x, event.clientY - pointer.y);
    const pinch = this.pointers.size === 2;
    if (!pinch && (this.scale === 1 || (!pointer.moved && far < DRAG_PX))) return false;
    if (!pointer.moved) this.root.setPointerCapture?.(event.pointerId);
    const before = [...this.pointers.values()].map(({ x, y }) => [x, y]);
    Object.assign(pointer, { x: event.clientX, y: event.clientY, moved: true });
    const after = [...this.pointers.values()].map(({ x, y }) => [x, y]);
    const middle = (points) => [0, 1].map((i) => points.reduce((sum, point) => sum + point[i], 0) / points.length);
    const [was, is] = [middle(before), middle(after)];
    const { box } = pointer;
    this.left -= (is[0] - was[0]) / box.width / this.scale;
    this.top -= (is[1] - was[1]) / box.height / this.scale;
    this.at = this.within(box, ...is);
    if (pinch) {
      const span = ([a, b]) => Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1);
      this.by(span(after) / span(before), (is[0] - box.left) / box.width, (is[1] - box.top) / box.height);
    } else {
      this.apply();
    }
    return true;
  }

  onUp(event) {
    this.pointers.delete(event.pointerId);
  }

  point(at) {
    this.at = at;
    this.root.classList.toggle("pointed", at !== null);
    if (at) {
      this.root.style.setProperty("--x", at.x);
      this.root.style.setProperty("--y", at.y);
    }
    this.pointed(at && { x: this.left + at.x / this.scale, y: this.top + at.y / this.scale });
  }

  // The middle of what is seen is as good as a pointer for those who have none.
  pointMiddle() {
    this.point({ x: 0.5, y: 0.5 });
  }

  by(factor, x = 0.5, y = 0.5) {
    const scale = Math.min(Math.max(this.scale * factor, 1), MOST_ZOOM);
    this.left += x / this.scale - x / scale;
    this.top += y / this.scale - y / scale;
    this.scale = scale;
    this.apply();
  }

  // Parts of what is seen, to the right and down.
  pan(x, y) {
    this.left += x / this.scale;
    this.top += y / this.scale;
    this.apply();
  }

  reset() {
    Object.assign(this, { scale: 1, left: 0, top: 0 });
    this.apply();
  }

  apply() {
    const last = 1 - 1 / this.scale;
    this.left = Math.min(Math.max(this.left, 0), last);
    this.top = Math.min(Math.max(this.top, 0), last);
    this.root.style.setProperty("--scale", this.scale);
    this.root.style.setProperty("--left", `${-100 * this.left * this.scale}%`);
    this.root.style.setProperty("--top", `${-100 * this.top * this.scale}%`);
    this.root.classList.toggle("zoomed", this.scale > 1);
    this.changed(this);
    if (this.at) this.point(this.at);
  }
}
