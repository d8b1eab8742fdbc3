// Keys of a page, and the dialog that lists them; `?` opens it. The live page uses it as well.
"use strict";

// What a control does with keys of its own.
const TAKEN = [
  ["input[type=range]", ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]],
  ["button, input[type=checkbox], summary, a", [" ", "Enter"]],
];

const BUTTON = '<span class="keys"><button type="button" id="open-help">Keys: ?</button></span>';
const HELP = `
<span class="heard" id="heard" role="status"></span>
<dialog id="help" aria-labelledby="help-title">
  <h2 id="help-title">Keys</h2>
  <table class="plain"><tbody></tbody></table>
  <p><label><input type="checkbox" id="keys-on" checked> single letters and signs do something</label></p>
  <p><button type="button" id="close-help">Close</button></p>
</dialog>`;

// Have a screen reader say it.
function say(text) {
  document.getElementById("heard").textContent = text;
}

class Keys {
  // Entries are { keys, shown, what, run }: names as in KeyboardEvent.key, "Shift+" before them where it is meant.
  constructor(entries) {
    // All has to be in the page's content; the button is among the controls where there are any.
    const main = document.querySelector("main");
    (document.querySelector("[data-keys]") ?? main).insertAdjacentHTML("beforeend", BUTTON);
    main.insertAdjacentHTML("beforeend", HELP);
    this.dialog = document.getElementById("help");
    this.enabled = document.getElementById("keys-on");
    this.entries = [...entries, { keys: ["?"], shown: "?", what: "this list", run: () => this.open() }];
    const rows = this.entries.map(({ shown, what }) => {
      const row = document.createElement("tr");
      const head = row.appendChild(document.createElement("th"));
      head.scope = "row";
      shown.split(" ").forEach((key, i) => {
        if (i) head.append(" ");
        head.appendChild(document.createElement("kbd")).textContent = key;
      });
      row.appendChild(document.createElement("td")).textContent = what;
      return row;
    });
    this.dialog.querySelector("tbody").replaceChildren(...rows);
    document.getElementById("open-help").addEventListener("click", () => this.open());
    document.getElementById("close-help").addEventListener("click", () => this.dialog.close());
    document.addEventListener("keydown", (event) => this.onKey(event));
  }

  open() {
    if (!this.dialog.open) this.dialog.showModal();
  }

  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || this.dialog.open) return;
    if (TAKEN.some(([controls, keys]) => event.target.matches(controls) && keys.includes(event.key))) return;
    const name = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    const entry = this.entries.find(({ keys }) => keys.includes(name));
    // Who speaks to the machine or types elsewhere may not want single letters to do anything.
    if (!entry || (!this.enabled.checked && event.key.length === 1)) return;
    event.preventDefault();
    entry.run();
  }
}

// Keys that move what is seen, the same on every page.
function zoomKeys(zoom) {
  const look = (move) => () => {
    move();
    zoom.pointMiddle();
  };
  const pan = (x, y) => look(() => zoom.pan(x, y));
  return [
    { keys: ["+", "="], shown: "+", what: "zoom in; a wheel or two fingers do so as well", run: look(() => zoom.by(1.5)) },
    { keys: ["-", "_"], shown: "-", what: "zoom out", run: look(() => zoom.by(1 / 1.5)) },
    { keys: ["0"], shown: "0", what: "the whole picture; so does a double click", run: () => { zoom.reset(); zoom.point(null); } },
    { keys: ["Shift+ArrowLeft"], shown: "Shift ←", what: "move to the left; dragging moves as well", run: pan(-0.2, 0) },
    { keys: ["Shift+ArrowRight"], shown: "Shift →", what: "move to the right", run: pan(0.2, 0) },
    { keys: ["Shift+ArrowUp"], shown: "Shift ↑", what: "move up", run: pan(0, -0.2) },
    { keys: ["Shift+ArrowDown"], shown: "Shift ↓", what: "move down", run: pan(0, 0.2) },
  ];
}
