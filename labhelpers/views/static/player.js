// Plays a walk: moves the packet through the picture, and shows its headers beside it.  Python has worked out every frame.

const SVG = "http://www.w3.org/2000/svg";
const PAUSE = 1300; // ms that a frame stays while playing
const MOVE = 550; // ms that the packet is on its way

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// The headers as boxes; the packet inside a tunnel has a frame around it.
function stackOf(layers) {
  const depth = layers[0]?.depth ?? 0;
  const outer = layers.filter((layer) => layer.depth === depth);
  const inner = layers.filter((layer) => layer.depth > depth);
  const boxes = outer.map(({ protocol, colour, fields, new: isNew }) => {
    const words = fields.map(([text, changed]) => element(changed ? "mark" : "span", {}, text));
    const attributes = { class: isNew ? "pn-header pn-added" : "pn-header", style: `background: ${colour}` };
    return element("div", attributes, element("b", {}, protocol), ...words);
  });
  if (inner.length) {
    const colour = outer.at(-1).colour;
    boxes.push(element("div", { class: "pn-inside", style: `border-color: ${colour}` }, ...stackOf(inner)));
  }
  return boxes;
}

function render({ model, el }) {
  const frames = model.get("frames");
  const last = frames.length - 1;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  let timer = 0; // of the frame that follows while playing
  let moving = 0; // the animation that is under way

  const button = (name, hint) => element("button", { type: "button", title: hint }, name);
  const buttons = {
    first: button("First", "To the first hop (Home)"),
    back: button("Back", "One hop back (←)"),
    play: button("Play", "Play or pause (space)"),
    step: button("Step", "One hop on (→)"),
    last: button("Last", "To how it ended (End)"),
  };
  const slider = element("input", { type: "range", min: 0, max: last, "aria-label": "Hop" });
  const controls = element("div", { class: "pn-controls", role: "toolbar", "aria-label": "Walk" });
  controls.append(...Object.values(buttons), slider);

  const stage = element("div", { class: "pn-stage" });
  const words = element("div", { class: "pn-words", role: "status", "aria-live": "polite" });
  const stack = element("div", { class: "pn-stack", role: "group", "aria-label": "Headers" });
  const list = element("div", { class: "pn-hops", role: "group", "aria-label": "All hops" });
  const entries = frames.map((frame, number) => {
    const entry = element("button", { type: "button" }, frame.number ? `${frame.number}. ${frame.label}` : frame.label);
    if (frame.end) entry.classList.add(`pn-${frame.end}`);
    if (frame.packet !== frames[number - 1]?.packet) list.append(element("h4", {}, frame.packet || "how it ended"));
    entry.addEventListener("click", () => (stop(), go(number)));
    list.append(entry);
    return entry;
  });
  const panel = element("div", { class: "pn-beside" }, words, stack, list);
  el.classList.add("pn-root", "pn-player");
  el.tabIndex = 0;
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", model.get("title"));
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the keys for itself
  el.append(
    element("p", { class: "pn-title" }, model.get("title")),
    controls,
    element("div", { class: "pn-both" }, stage, panel),
  );

  const packet = shape("g", { class: "pn-packet", "aria-hidden": "true" });
  packet.append(shape("circle", { class: "pn-tunnel", r: 11 }), shape("circle", { class: "pn-dot", r: 7 }));
  const cross = shape("path", { class: "pn-cross", d: "M-7 -7 L7 7 M-7 7 L7 -7" });
  packet.append(cross);

  const boxes = () => [...stage.querySelectorAll(".pn-box")];
  const wires = () => [...stage.querySelectorAll(".pn-wire")];
  const position = () => Math.max(0, Math.min(model.get("position"), last));

  function go(number) {
    const wanted = Math.max(0, Math.min(number, last));
    if (wanted === model.get("position")) return;
    model.set("position", wanted);
    model.save_changes();
  }

  function stop() {
    clearTimeout(timer);
    timer = 0;
    buttons.play.textContent = "Play";
  }

  function play() {
    if (timer) return stop();
    if (position() === last) go(0);
    buttons.play.textContent = "Pause";
    timer = setTimeout(function next() {
      go(position() + 1);
      if (position() < last) timer = setTimeout(next, PAUSE);
      else stop();
    }, PAUSE);
  }

  function place(x, y) {
    packet.setAttribute("transform", `translate(${x} ${y})`);
  }

  // Along the cables, at one speed, in the time that a move takes.
  function move(points) {
    cancelAnimationFrame(moving);
    const [x, y] = points.at(-1);
    if (points.length < 2 || calm.matches) return place(x, y);
    const way = shape("path", { d: `M${points.map((point) => point.join(" ")).join(" L")}` });
    const length = way.getTotalLength();
    let start;
    moving = requestAnimationFrame(function frame(now) {
      start ??= now;
      const done = Math.min(1, (now - start) / MOVE);
      const at = way.getPointAtLength(length * done);
      place(at.x, at.y);
      if (done < 1) moving = requestAnimationFrame(frame);
    });
  }

  function draw() {
    if (!drawPicture(stage, model.get("picture"))) return;
    stage.querySelector("svg").append(packet);
    show();
  }

  function show() {
    const number = position();
    const frame = frames[number];
    const sameWay = frames.slice(0, number + 1).filter((one) => frame.end || one.packet === frame.packet);
    const passed = new Set(sameWay.map((one) => one.box));
    const used = new Set(sameWay.flatMap((one) => one.wires));
    for (const box of boxes()) {
      box.classList.toggle("pn-here", box.dataset.id === frame.box);
      box.classList.toggle("pn-passed", passed.has(box.dataset.id));
    }
    wires().forEach((wire, index) => {
      wire.classList.toggle("pn-here", frame.wires.includes(index));
      wire.classList.toggle("pn-passed", used.has(index));
    });
    packet.style.display = frame.way.length && frame.end !== "good" ? "" : "none";
    packet.classList.toggle("pn-encapsulated", frame.layers.some((layer) => layer.depth));
    packet.classList.toggle("pn-dead", frame.end === "bad");
    if (frame.way.length) move(number === shown + 1 ? frame.way : frame.way.slice(-1));
    shown = number;

    const said = frame.words.map((one) => element("li", {}, one));
    const how = [frame.by, frame.size].filter(Boolean).join(", ");
    words.replaceChildren(
      element("h4", {}, frame.heading),
      element("p", { class: "pn-where" }, element("b", {}, frame.where), how ? ` (${how})` : ""),
      element("ul", {}, ...said),
    );
    words.classList.toggle("pn-bad", frame.end === "bad");
    stack.replaceChildren(...stackOf(frame.layers));
    entries.forEach((entry, index) => {
      if (index === number) entry.setAttribute("aria-current", "step");
      else entry.removeAttribute("aria-current");
    });
    const entry = entries[number]; // only the list may scroll, never the notebook
    list.scrollTop = entry.offsetTop - list.offsetTop - (list.clientHeight - entry.clientHeight) / 2;
    slider.value = number;
    slider.setAttribute("aria-valuetext", `${frame.heading}: ${frame.where}`);
    buttons.first.disabled = buttons.back.disabled = number === 0;
    buttons.last.disabled = buttons.step.disabled = number === last;
    if (document.activeElement?.disabled) el.focus({ preventScroll: true }); // a disabled button swallows keys
  }
  let shown = -1;

  buttons.first.addEventListener("click", () => (stop(), go(0)));
  buttons.back.addEventListener("click", () => (stop(), go(position() - 1)));
  buttons.play.addEventListener("click", play);
  buttons.step.addEventListener("click", () => (stop(), go(position() + 1)));
  buttons.last.addEventListener("click", () => (stop(), go(last)));
  slider.addEventListener("input", () => (stop(), go(Number(slider.value))));

  function visit(id) {
    const order = [...frames.keys()].map((offset) => (position() + 1 + offset) % frames.length);
    const found = order.find((number) => frames[number].box === id);
    if (found !== undefined) go(found);
  }
  stage.addEventListener("click", (event) => {
    stop();
    visit(event.target.closest(".pn-box")?.dataset.id);
  });

  el.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isButton = event.target.closest("button");
    const box = event.target.closest(".pn-box");
    const keys = { ArrowRight: position() + 1, ArrowLeft: position() - 1, Home: 0, End: last };
    if (event.key in keys) {
      stop();
      go(keys[event.key]);
    } else if (box && (event.key === "Enter" || event.key === " ")) visit(box.dataset.id);
    else if (event.key === " " && !isButton) play();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  model.on("change:position", show);
  draw();
  return () => {
    stop();
    cancelAnimationFrame(moving);
    model.off("change:position", show);
  };
}

export default { render };
