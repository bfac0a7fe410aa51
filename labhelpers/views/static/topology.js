// Makes the picture answer: clicks, keys, and changes that come from Python.  Python draws; nothing is loaded from outside.

function render({ model, el }) {
  const stage = element("div", { class: "pn-stage" });
  const status = element("div", { class: "pn-status", role: "status", "aria-live": "polite" });
  const panel = element("div", { class: "pn-panel", role: "region", "aria-label": "What was clicked" });
  const commands = element("details", {}, element("summary", {}, "The commands that made what is new"));
  const script = element("pre");
  commands.append(script);
  el.classList.add("pn-root");
  el.append(stage, status, panel, commands);

  const boxes = () => [...stage.querySelectorAll(".pn-box")];
  const find = (id) => boxes().find((box) => box.dataset.id === id);

  function draw() {
    const known = new Set(boxes().map((box) => box.dataset.id));
    const focused = stage.contains(document.activeElement) ? document.activeElement.dataset.id : "";
    if (!drawPicture(stage, model.get("picture"))) return;
    for (const box of boxes()) if (known.size && !known.has(box.dataset.id)) box.classList.add("pn-new");
    if (focused) find(focused)?.focus();
    show();
    tell();
  }

  function pick(id) {
    model.set("selected", id);
    model.save_changes();
  }

  function show() {
    const id = model.get("selected");
    for (const box of boxes()) box.classList.toggle("pn-selected", box.dataset.id === id);
    const found = model.get("details")[id];
    if (!id && !boxes().length) panel.replaceChildren();
    else if (!id) panel.replaceChildren(element("p", {}, "Click a box to look inside, or use Tab, arrow keys and Enter."));
    else if (!found) panel.replaceChildren(element("p", {}, `${id} is gone.`));
    else panel.replaceChildren(element("h4", {}, found.heading), ...found.tables.map(table));
  }

  function tell() {
    el.classList.remove("pn-gone");
    status.textContent = model.get("status");
    script.textContent = model.get("commands");
    commands.hidden = !model.get("commands");
  }

  // The front end says so when it restarts the kernel.  A message from Python takes it back.
  function end() {
    el.classList.add("pn-gone");
    status.textContent = "This network is gone: the notebook's kernel has ended. Run the cell again.";
  }

  stage.addEventListener("click", (event) => pick(event.target.closest(".pn-box")?.dataset.id ?? ""));
  stage.addEventListener("keydown", (event) => {
    const here = boxes().indexOf(event.target.closest(".pn-box"));
    if (here < 0) return;
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (event.key === "Enter" || event.key === " ") pick(boxes()[here].dataset.id);
    else if (event.key === "Escape") pick("");
    else if (event.key in steps) boxes().at((here + steps[event.key]) % boxes().length).focus();
    else return;
    event.preventDefault(); // JupyterLab would take these keys for itself
    event.stopPropagation();
  });

  const changes = { picture: draw, details: show, selected: show, status: tell, commands: tell };
  const listeners = Object.entries(changes).map(([name, listener]) => [`change:${name}`, listener]);
  listeners.push(["comm_live_update", end]);
  for (const [event, listener] of listeners) model.on(event, listener);
  draw();
  return () => {
    for (const [event, listener] of listeners) model.off(event, listener);
  };
}

export default { render };
