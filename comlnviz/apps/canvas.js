// Front end of FigureCanvas: a background picture, and over it the paths that move.
// Everything is in device pixels; the browser scales the element down where the page is narrow.

const PAGE_ANSWER_MS = 500; // how long a first picture of the wrong theme may be kept back
const POINTER_ANSWER_MS = 250; // a drag goes on after this even if no frame came back

// The styles' places, as recorder.py writes them.
const [KIND, FILL, STROKE, WIDTH, DASHES, OFFSET, CAP, JOIN, CLIP, OUTLINE] = Array(10).keys();
const [MOVE, LINE, QUADRATIC, CUBIC, CLOSE] = [1, 2, 3, 4, 79];

function isDark() {
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false";
  if (vscodeThemeKind) return vscodeThemeKind.includes("dark");
  const named = document.documentElement.getAttribute("theme"); // Colab
  return named ? named === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

// The kernel's buffer: a head, then what RecordingRenderer.geometry() says. The head is the frame's
// number, doubled, and 1 where the kernel wants to hear when it is painted.
function unpack(view) {
  const buffer = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  const [head, operations] = new Uint32Array(buffer, 0, 2);
  const counts = new Uint32Array(buffer, 8, 3 * operations);
  let shapes = 0, positions = 0;
  for (let i = 0; i < counts.length; i += 3) { shapes += counts[i]; positions += counts[i + 1]; }
  const at = 8 + counts.byteLength, total = 2 * (shapes + positions);
  const points = new Float32Array(buffer, at, total);
  const codes = new Uint8Array(buffer, at + 4 * total, shapes);
  const bytes = new Uint8Array(buffer, at + 4 * total + shapes);
  return { number: head >>> 1, counts, points, codes, bytes };
}

function trace(path, points, at, codes, first, count) {
  for (let i = first, p = at; i < first + count; ) {
    const x = points[p], y = points[p + 1], code = codes[i];
    let used = 1;
    if (code === LINE) path.lineTo(x, y);
    else if (code === MOVE) path.moveTo(x, y);
    else if (code === CLOSE) path.closePath();
    else if (code === QUADRATIC) {
      path.quadraticCurveTo(x, y, points[p + 2], points[p + 3]);
      used = 2;
    } else if (code === CUBIC) {
      path.bezierCurveTo(x, y, points[p + 2], points[p + 3], points[p + 4], points[p + 5]);
      used = 3;
    }
    i += used;
    p += 2 * used;
  }
}

const pick = (value, i) => (Array.isArray(value) ? value[i % value.length] : value);

function ink(g, style, i, path) {
  const fill = pick(style[FILL], i), stroke = pick(style[STROKE], i), width = pick(style[WIDTH], i);
  if (fill) { g.fillStyle = fill; path ? g.fill(path) : g.fill(); }
  if (stroke && width > 0) {
    g.strokeStyle = stroke;
    g.lineWidth = width;
    path ? g.stroke(path) : g.stroke();
  }
}

function pixels(style, bytes, width, height) {
  const image = new ImageData(width, height);
  if (style[KIND] === "image") image.data.set(bytes);
  else {
    const probe = /^#/.test(style[FILL])
      ? [1, 3, 5].map((i) => parseInt(style[FILL].slice(i, i + 2), 16))
      : style[FILL].match(/[\d.]+/g).map(Number);
    const [red, green, blue, alpha = 1] = probe;
    const out = new Uint32Array(image.data.buffer), colour = red | (green << 8) | (blue << 16);
    for (let i = 0; i < out.length; i++) out[i] = colour | (Math.round(bytes[i] * alpha) << 24);
  }
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height }).getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

// The pixels of one operation; those of the frame before where they are the same, as of most texts.
function tile(tiles, i, style, bytes, width, height) {
  const kept = tiles[i], fill = style[FILL];
  if (kept && kept.fill === fill && kept.width === width && same(kept.bytes, bytes)) {
    return kept.canvas;
  }
  const canvas = pixels(style, bytes, width, height);
  tiles[i] = { fill, width, bytes, canvas };
  return canvas;
}

function draw(g, background, frame, styles, tiles) {
  const { counts, points, codes, bytes } = frame;
  let p = 0, c = 0, b = 0;
  g.drawImage(background, 0, 0);
  styles.forEach((style, i) => {
    const [shape, positions, size] = counts.subarray(3 * i, 3 * i + 3);
    g.save();
    if (style[CLIP]) { g.beginPath(); g.rect(...style[CLIP]); g.clip(); }
    if (style[OUTLINE]) {
      const [outline, kinds] = style[OUTLINE];
      g.beginPath();
      trace(g, outline, 0, kinds, 0, kinds.length);
      g.clip();
    }
    g.setLineDash(style[DASHES]);
    g.lineDashOffset = style[OFFSET];
    g.lineCap = style[CAP];
    g.lineJoin = style[JOIN];
    g.miterLimit = 4; // Agg's
    if (style[KIND] === "path") {
      g.beginPath();
      trace(g, points, p, codes, c, shape);
      ink(g, style, 0);
    } else if (style[KIND] === "markers") {
      const path = new Path2D();
      trace(path, points, p, codes, c, shape);
      for (let j = 0; j < positions; j++) {
        const x = points[p + 2 * (shape + j)], y = points[p + 2 * (shape + j) + 1];
        if (!Number.isFinite(x + y)) continue;
        g.setTransform(1, 0, 0, 1, x, y);
        ink(g, style, j, path);
      }
    } else if (size) {
      const [x, y, width, height, wide, high] = points.subarray(p, p + 6);
      g.imageSmoothingEnabled = false;
      const its = tile(tiles, i, style, bytes.subarray(b, b + size), width, height);
      g.drawImage(its, x, y, wide, high);
    }
    g.restore();
    p += 2 * (shape + positions);
    c += shape;
    b += size;
  });
}

// Show the newest frame on its own background. Backgrounds take some milliseconds to decode: what
// arrives meanwhile waits, only the newest of it, and no frame is painted on another's background.
function painter(model, canvas, painted) {
  const g = canvas.getContext("2d", { alpha: false });
  const tiles = [];
  let next = null, busy = false, asked = false, shown = null, bitmap = null, stopped = false;

  async function work() {
    busy = true;
    while (next && !stopped) {
      const now = next;
      next = null;
      asked ||= now.asked;
      if (now.background !== shown) {
        let decoded;
        try {
          decoded = await createImageBitmap(new Blob([now.background]));
        } catch (error) {
          console.error("FigureCanvas: unreadable background", error);
          continue;
        }
        bitmap?.close();
        [bitmap, shown] = [decoded, now.background];
        if (stopped) { bitmap.close(); break; }
        const [width, height, ratio] = now.size;
        if (canvas.width !== width || canvas.height !== height) {
          Object.assign(canvas, { width, height }); // also wipes it; painted again at once
        }
        canvas.parentNode.style.width = `${width / ratio}px`;
      }
      const frame = unpack(now.frame);
      draw(g, bitmap, frame, now.styles, tiles);
      painted(frame.number, asked);
      asked = false;
    }
    busy = false;
  }

  function show(frame, styles) {
    next = {
      frame,
      asked: Boolean(frame.getUint8(0) & 1) || next?.asked, // also one that is overtaken
      styles,
      background: model.get("_background"),
      size: model.get("_size"),
    };
    if (!busy) work();
  }

  return {
    show,
    take() {
      const frame = model.get("_frame");
      if (frame?.byteLength) show(frame, model.get("_styles"));
    },
    stop() { stopped = true; bitmap?.close(); },
  };
}

// Pictures that the kernel computed while the reader rested, of a slider's next places: painted as
// soon as the slider gets there. The kernel's answer follows, as to any move.
function foresight(model, show) {
  let known = null, slider = null;

  function moved() {
    const { after, values, near, styles, frames } = known, at = slider.get("value");
    if (model.get("_frame").getUint32(0, true) >>> 1 !== after) return; // of another picture
    const i = values.findIndex((value) => Math.abs(value - at) < near);
    // First the slider tells the kernel.
    if (i >= 0) queueMicrotask(() => show(frames[i], styles[i]));
  }
  function forget() { slider?.off("change:value", moved); }
  async function heard(message, frames) {
    if (message.kind !== "foreseen") return;
    const its = await model.widget_manager.get_model(message.slider);
    forget();
    [known, slider] = [{ ...message, frames }, its];
    slider.on("change:value", moved);
  }
  model.on("msg:custom", heard);
  return () => { model.off("msg:custom", heard); forget(); };
}

// A transparent element over each draggable pair of axes: its own cursor, focus and touch rules.
function dragTarget(model, index, [left, top, width, height, label, hovers], waiting) {
  const target = document.createElement("div");
  target.tabIndex = 0;
  target.setAttribute("role", "application");
  target.setAttribute("aria-label", `${label}: drag, or use the arrow keys`);
  target.style.cssText =
    `position:absolute;left:${100 * left}%;top:${100 * top}%;width:${100 * width}%;` +
    `height:${100 * height}%;cursor:crosshair;touch-action:none`;
  // What to say with the next frame: where the pointer is, that it has left, or how far the arrow
  // keys have led.
  let next = null, asked = false;

  function flush() {
    asked = false;
    if (!next || !target.isConnected) return;
    if (waiting.busy()) { ask(); return; }
    waiting.start();
    model.send({ kind: "pointer", target: index, ...next });
    next = null;
  }
  function ask() { if (!asked) { asked = true; requestAnimationFrame(flush); } }
  function follow(event) {
    const box = target.getBoundingClientRect();
    next = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    next.pressed = target.hasPointerCapture(event.pointerId);
    ask();
  }
  target.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    target.setPointerCapture(event.pointerId);
    waiting.end(); // a press does not queue behind the places that the pointer passed
    follow(event);
  });
  target.addEventListener("pointermove", (event) => {
    if (hovers || target.hasPointerCapture(event.pointerId)) follow(event);
  });
  if (hovers) target.addEventListener("pointerleave", () => { next = { left: true }; ask(); });
  target.addEventListener("keydown", (event) => {
    const [right, up] =
      { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
    if (up === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook would leave the cell
    const far = event.shiftKey ? 0.1 : 0.01, before = next?.x === undefined ? next : null;
    next = { right: (before?.right ?? 0) + far * right, up: (before?.up ?? 0) + far * up };
    ask();
  });
  return target;
}

export default {
  render({ model, el }) {
    const stop = new AbortController(), { signal } = stop;
    const box = document.createElement("div"), canvas = document.createElement("canvas");
    box.style.cssText = "position:relative;max-width:100%;line-height:0";
    canvas.style.cssText = "display:block;width:100%;height:auto";
    canvas.setAttribute("role", "img");
    box.append(canvas);
    el.append(box);

    // One pointer position is under way at a time; the next leaves when a frame has come back.
    let since = -Infinity;
    const waiting = {
      busy: () => performance.now() - since < POINTER_ANSWER_MS,
      start() { since = performance.now(); },
      end() { since = -Infinity; },
    };
    function painted(number, asked) {
      waiting.end();
      if (!asked) return;
      requestAnimationFrame(() => {
        if (!signal.aborted) model.send({ kind: "painted", number });
      });
    }
    const screen = painter(model, canvas, painted);
    const forget = foresight(model, screen.show);

    function describe() { canvas.setAttribute("aria-label", model.get("alt") || "figure"); }
    let targets = [];
    function place() {
      targets.forEach((target) => target.remove());
      targets = model.get("_targets").map((t, i) => dragTarget(model, i, t, waiting));
      box.append(...targets);
    }
    const watched = { "change:_frame": screen.take, "change:alt": describe, "change:_targets": place };
    for (const [event, action] of Object.entries(watched)) model.on(event, action);
    describe();
    place();

    // Tell the kernel about the page, now and when it changes.
    function report() {
      const zoom = canvas.currentCSSZoom || 1; // on the full screen; see stage.js
      model.send({ kind: "page", dark: isDark(), ratio: (devicePixelRatio || 1) * zoom });
    }
    const themes = new MutationObserver(report);
    const names = ["data-jp-theme-light", "data-vscode-theme-kind", "theme"];
    for (const node of [document.body, document.documentElement]) {
      themes.observe(node, { attributes: true, attributeFilter: names });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", report, { signal });
    (function watchRatio() {
      matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener(
        "change", () => { report(); watchRatio(); }, { signal, once: true });
    })();
    document.addEventListener("fullscreenchange", () => requestAnimationFrame(report), { signal });
    report();

    // A light picture would flash up in a dark page: give the kernel a moment to answer.
    let timer = 0;
    if (isDark() !== model.get("_dark")) {
      box.style.visibility = "hidden";
      const show = () => { box.style.visibility = ""; };
      model.on("change:_dark", show);
      watched["change:_dark"] = show;
      timer = setTimeout(show, PAGE_ANSWER_MS);
    }
    screen.take();

    return () => {
      stop.abort();
      clearTimeout(timer);
      themes.disconnect();
      screen.stop();
      forget();
      for (const [event, action] of Object.entries(watched)) model.off(event, action);
    };
  },
};
