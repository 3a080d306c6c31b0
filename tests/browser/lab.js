// What lab.py asks of the page. Injected before the page's own scripts.
window.lab = (() => {
  const errors = [];
  let panel, last = performance.now();
  const kernel = () => panel.sessionContext.session.kernel;

  // Everything that the kernel says, on whose behalf ever; JupyterLab shows only what cells say.
  function hear(_, { msg, direction }) {
    last = performance.now();
    if (direction !== "recv") return;
    const { content } = msg, kind = msg.header.msg_type;
    if (kind === "error") errors.push(`kernel: ${content.ename}: ${content.evalue}`);
    if (kind === "stream" && content.name === "stderr") errors.push(`stderr: ${content.text}`);
  }

  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

  return {
    errors,
    ran: false,

    async attach() {
      while (!(panel = jupyterapp.shell.currentWidget)?.sessionContext) await sleep(20);
      await panel.context.ready;
      await panel.sessionContext.ready;
      while (kernel()?.status !== "idle") await sleep(20);
      kernel().anyMessage.connect(hear);
      // The widget manager asks every kernel it meets for the comms of the past: wait for the answer.
      await sleep(300);
      errors.length = 0;
    },

    async runAll() {
      this.ran = false;
      jupyterapp.commands.execute("notebook:run-all-cells").then(() => { this.ran = true; });
    },

    async execute(code) {
      const future = kernel().requestExecute({ code, silent: false, store_history: false });
      let text = "";
      future.onIOPub = ({ header, content }) => {
        if (header.msg_type === "stream" && content.name === "stdout") text += content.text;
      };
      const reply = await future.done;
      if (reply.content.status !== "ok") throw Error(`${reply.content.ename}: ${reply.content.evalue}`);
      return text;
    },

    quiet: (ms) => kernel().status === "idle" && performance.now() - last > ms,

    sliders() {
      return [...panel.node.querySelectorAll('.noUi-handle[role="slider"]')].flatMap((handle) => {
        const box = handle.closest(".widget-inline-hbox");
        const label = box?.querySelector(".widget-label")?.innerText ?? "";
        return handle.getBoundingClientRect().width ? [{ label, handle }] : [];
      });
    },

    focus(label, which = 0) {
      const found = this.sliders().filter((slider) => slider.label === label)[which];
      found?.handle.scrollIntoView({ block: "center" });
      found?.handle.focus({ preventScroll: true });
      return !!found && document.activeElement === found.handle;
    },

    figures: () => [...panel.node.querySelectorAll('canvas[role="img"]')].filter((c) => !c.closest('.comlnviz-pads')),

    pixels(which) {
      const figures = this.figures();
      return (which == null ? figures : [figures[which]]).map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let hash = 0x811c9dc5; // FNV-1a
        for (const word of new Uint32Array(data.buffer)) hash = Math.imul(hash ^ word, 0x01000193);
        return `${canvas.width}x${canvas.height}:${hash >>> 0}`;
      }).join(" ");
    },

    colours(which, points) {
      const canvas = this.figures()[which], g = canvas.getContext("2d");
      return points.map(([x, y]) => [
        ...g.getImageData(Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data,
      ].slice(0, 3));
    },

    theme: (theme) => jupyterapp.commands.execute("apputils:change-theme", { theme }),

    hiddenHeight() {
      const scrolled = panel.node.querySelector(".jp-WindowedPanel-outer");
      return scrolled ? Math.max(0, scrolled.scrollHeight - scrolled.clientHeight) : 0;
    },
  };
})();
