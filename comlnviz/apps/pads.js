// Five pads for the classes and one for the query: ink in the browser, 28×28 bytes to the kernel.

const SIDE = 28, BIG = 112;

function render({ model, el }) {
  const row = document.createElement("div");
  row.className = "comlnviz-pads";
  const names = model.get("names"), colours = model.get("colours");
  const stop = new AbortController();

  const pads = names.map((name, number) => {
    const box = document.createElement("figure");
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: BIG, height: BIG, tabIndex: 0 });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Draw ${name}; Delete clears it`);
    canvas.style.borderColor = colours[number];
    const caption = document.createElement("figcaption");
    caption.textContent = name;
    caption.style.color = colours[number];
    const clear = document.createElement("button");
    clear.textContent = "clear";
    clear.title = `Wipe ${name}`;
    caption.append(" ", clear);
    box.append(canvas, caption);
    row.append(box);
    const g = canvas.getContext("2d", { willReadFrequently: true });
    Object.assign(g, { lineWidth: 9, lineCap: "round", lineJoin: "round", strokeStyle: colours[number] });

    // When the pen is lifted: the ink, which is the canvas's opacity, shrunk to 28×28.
    const send = () => {
      const small = document.createElement("canvas");
      Object.assign(small, { width: SIDE, height: SIDE });
      const s = small.getContext("2d");
      s.imageSmoothingQuality = "high";
      s.drawImage(canvas, 0, 0, SIDE, SIDE);
      const alpha = s.getImageData(0, 0, SIDE, SIDE).data.filter((_, i) => i % 4 === 3);
      const old = model.get("ink"), all = new Uint8Array(names.length * SIDE * SIDE);
      all.set(new Uint8Array(old.buffer, old.byteOffset, old.byteLength));
      all.set(alpha, number * SIDE * SIDE);
      model.set("ink", new DataView(all.buffer));
      model.save_changes();
    };
    const wipe = () => { g.clearRect(0, 0, BIG, BIG); send(); };
    const at = (event) => [event.offsetX * BIG / canvas.clientWidth,
                           event.offsetY * BIG / canvas.clientHeight];
    let drawing = false;
    const on = (target, kind, act) => target.addEventListener(kind, act, { signal: stop.signal });
    on(canvas, "pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      drawing = true;
      g.beginPath();
      g.moveTo(...at(event));
      g.lineTo(...at(event));
      g.stroke();
      event.preventDefault();
    });
    on(canvas, "pointermove", (event) => {
      if (!drawing) return;
      g.lineTo(...at(event));
      g.stroke();
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      on(canvas, kind, () => { if (drawing) { drawing = false; send(); } });
    }
    on(canvas, "keydown", (event) => { if (event.key === "Delete") wipe(); });
    on(clear, "click", wipe);

    return () => { // what the kernel has: a page opened later, or a picture put there by code
      const ink = model.get("ink"), bytes = new Uint8Array(ink.buffer, ink.byteOffset, ink.byteLength);
      const part = bytes.subarray(number * SIDE * SIDE, (number + 1) * SIDE * SIDE);
      const small = new ImageData(SIDE, SIDE);
      const [red, green, blue] = [1, 3, 5].map((i) => parseInt(colours[number].slice(i, i + 2), 16));
      part.forEach((value, i) => small.data.set([red, green, blue, value], 4 * i));
      createImageBitmap(small).then((bitmap) => {
        g.clearRect(0, 0, BIG, BIG);
        g.drawImage(bitmap, 0, 0, BIG, BIG);
      });
    };
  });

  el.append(row);
  pads.forEach((paint) => paint());
  return () => stop.abort();
}

export default { render };
