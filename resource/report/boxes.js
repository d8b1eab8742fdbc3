// Detections over a picture: boxes that go with its zoom, and labels that keep their size and never overlap.
"use strict";

const LABEL_PAD = 2;
const measuring = document.createElement("canvas").getContext("2d");

// Left and top of each label; null where none of its places is free. `boxes` are [left, top, width, height] in the
// window's pixels, the most important first, `sizes` the labels' [width, height].
function placeLabels(boxes, sizes, width, height) {
  const taken = [];
  return boxes.map(([left, top, w, h], i) => {
    const [wide, high] = sizes[i];
    const [right, bottom] = [left + w, top + h];
    const rows = [top - high, top, bottom, bottom - high, (top + bottom - high) / 2];
    const places = rows.flatMap((y) => [left, right - wide, (left + right - wide) / 2, right, left - wide].map((x) => [x, y]));
    const free = places.map(([x, y]) => [Math.min(Math.max(x, 0), width - wide), y]).find(([x, y]) =>
      // One that was pushed into the window is still at its box.
      x >= Math.max(left - wide, 0) && x <= right && y >= 0 && y + high <= height &&
      !taken.some(([a, b, c, d]) => x < a + c && a < x + wide && y < b + d && b < y + high));
    if (!free) return null;
    taken.push([...free, wide, high]);
    return free;
  });
}

function drawBoxes(svg, frame, boxes, zoom) {
  const [width, height] = [svg.clientWidth, svg.clientHeight];
  svg.replaceChildren();
  if (!width || !height) return 0;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const [across, down] = [zoom.scale * width, zoom.scale * height];
  const seen = boxes.map((box) => {
    const [x, y, w, h] = box.rectangle;
    const [left, top] = [(x / frame.size[0] - zoom.left) * across, (y / frame.size[1] - zoom.top) * down];
    return { ...box, left, top, width: (w / frame.size[0]) * across, height: (h / frame.size[1]) * down };
  }).filter((box) => box.left < width && box.top < height && box.left + box.width > 0 && box.top + box.height > 0)
    .sort((one, other) => other.width * other.height - one.width * one.height);
  const size = width > 360 ? 12 : 10;
  measuring.font = `600 ${size}px ${getComputedStyle(svg).fontFamily}`;
  const sizes = seen.map(({ text }) => [measuring.measureText(text).width + 2 * LABEL_PAD, size + 2 * LABEL_PAD]);
  const places = placeLabels(seen.map((box) => [box.left, box.top, box.width, box.height]), sizes, width, height);
  for (const { left, top, width: w, height: h, color } of seen) {
    draw(svg, "rect", { x: left, y: top, width: w, height: h, fill: "none", stroke: "#000", "stroke-width": 3, "stroke-opacity": 0.5 });
    draw(svg, "rect", { x: left, y: top, width: w, height: h, fill: "none", stroke: color, "stroke-width": 2 });
  }
  seen.forEach(({ text }, i) => {
    if (!places[i]) return;
    const [x, y] = places[i];
    draw(svg, "text", { x: x + LABEL_PAD, y: y + LABEL_PAD + 0.82 * size, "font-size": size, "stroke-width": 2 }, text);
  });
  return places.filter((place) => place === null).length;
}
