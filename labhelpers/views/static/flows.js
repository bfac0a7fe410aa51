// Shows a flow log as it goes on.  Python draws the map and writes the lines; here they can be held still.

function render({ model, el }) {
  const stage = element("div", { class: "pn-stage" });
  const status = element("div", { class: "pn-status", role: "status", "aria-live": "polite" });
  const hold = element("button", { type: "button", "aria-pressed": "false" }, "Hold still");
  const body = element("tbody");
  const heads = model.get("columns").map((name) => element("th", { scope: "col" }, name));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body);
  const list = element("div", { class: "pn-panel pn-flows", role: "region", "aria-label": "Newest flows", tabindex: 0 }, table);
  el.classList.add("pn-root", "pn-flow-log");
  el.append(stage, status, hold, list);
  let still = false;

  function draw() {
    if (still) return;
    drawPicture(stage, model.get("picture"));
    status.textContent = model.get("status");
    body.replaceChildren(
      ...model.get("lines").map(({ cells, bad }) => {
        const row = element("tr", bad ? { class: "pn-dropped" } : {});
        row.append(...cells.map((cell) => element("td", {}, cell)));
        return row;
      }),
    );
  }

  hold.addEventListener("click", () => {
    still = !still;
    hold.textContent = still ? "Go on" : "Hold still";
    hold.setAttribute("aria-pressed", String(still));
    draw();
  });

  const end = () => (status.textContent = "This log is over: the notebook's kernel has ended.");
  const listeners = ["picture", "lines", "status"].map((name) => [`change:${name}`, draw]);
  listeners.push(["comm_live_update", end]);
  for (const [event, listener] of listeners) model.on(event, listener);
  draw();
  return () => {
    for (const [event, listener] of listeners) model.off(event, listener);
  };
}

export default { render };
