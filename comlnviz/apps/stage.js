// The Present button: the live figure fills the screen, and keys move it. See stage.py.

const LARGEST = 3; // times as large as on the page
const MOVES = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
const FAR = 1e6; // steps: past the end of any control
const FRAME_MS = 50; // between two moves while playing

function render({ model, el }) {
  const stop = new AbortController(), { signal } = stop;
  const button = document.createElement("button"), hint = document.createElement("span");
  Object.assign(button, { textContent: "Present", title: "Full screen, moved by keys; Escape leaves it" });
  button.className = "jupyter-widgets jupyter-button widget-button";
  button.style.width = "auto";
  hint.className = "comlnviz-hint";
  el.append(button, hint);
  const root = () => el.closest(".comlnviz-app");

  // One move is under way at a time; those made meanwhile are added up.
  let waiting = 0, busy = false, clock = 0;
  function flush() {
    if (busy || !waiting) return;
    busy = true;
    model.send({ move: waiting });
    waiting = 0;
  }
  function move(by) {
    waiting = Math.max(-FAR, Math.min(FAR, waiting + by));
    flush();
  }
  function rest() { clearInterval(clock); clock = 0; }
  function play() {
    if (clock) { rest(); return; }
    busy = true;
    model.send({ rewind: true }); // if it is at its end
    clock = setInterval(() => {
      if (busy || document.hidden) return;
      if (model.get("at_end")) rest();
      else move(1);
    }, FRAME_MS);
  }
  model.on("change:answers", answered);
  function answered() {
    busy = false;
    flush();
  }

  function pressed(event) {
    if (event.target !== root() || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key in MOVES) { rest(); move(MOVES[key] * (event.shiftKey ? 10 : 1)); }
    else if (key === "ArrowUp" || key === "ArrowDown") model.send({ choose: key === "ArrowUp" ? -1 : 1 });
    else if (key === " ") play();
    else if (key === "r") { rest(); model.send({ reset: true }); }
    else if (key === "f") toggle();
    else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has commands on the same keys
  }

  function toggle() {
    if (document.fullscreenElement) document.exitFullscreen();
    else root().requestFullscreen().catch(() => {}); // not everywhere allowed; keys work as well
    root().focus({ preventScroll: true });
  }
  // As large as fits, rows of controls being wrapped anew at each size.
  function enlarge() {
    const box = root();
    if (!box) return;
    box.style.zoom = "";
    if (document.fullscreenElement !== box) { rest(); return; }
    for (let zoom = LARGEST; zoom > 1; zoom *= 0.97) {
      box.style.zoom = zoom;
      const { left, right } = box.querySelector("canvas").getBoundingClientRect();
      const high = box.scrollHeight > box.clientHeight, wide = box.scrollWidth > box.clientWidth;
      if (!high && !wide && left >= 0 && right <= innerWidth) return;
    }
    box.style.zoom = "";
  }
  function say() { hint.textContent = model.get("hint"); }

  button.addEventListener("click", toggle, { signal });
  document.addEventListener("fullscreenchange", enlarge, { signal });
  model.on("change:hint", say);
  say();
  // The button is put into the figure only after it was made.
  const attached = setInterval(() => {
    if (!root()) return;
    clearInterval(attached);
    root().tabIndex = -1; // so that a click on the picture gives it the keys
    root().addEventListener("keydown", pressed, { signal });
    root().addEventListener("focus", () => model.send({}), { signal }); // for the hint
    root().addEventListener("blur", rest, { signal });
  }, 50);

  return () => {
    stop.abort();
    rest();
    clearInterval(attached);
    model.off("change:hint", say);
    model.off("change:answers", answered);
  };
}

export default { render };
