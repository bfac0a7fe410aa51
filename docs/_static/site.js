// Stored pictures answer clicks, and stored walks can be stepped through.  All they know is what the page says already.
// element() and table() are those of the live pictures (picture.js).

const PAUSE = 1300; // ms that a hop stays while playing

// A click, or Enter where the Tab key has led.
function whenChosen(stage, choose) {
  stage.querySelector("svg").setAttribute("role", "group"); // an image hides its parts from screen readers
  stage.addEventListener("click", (event) => choose(event.target.closest(".pn-box")));
  stage.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(event.target.closest(".pn-box"));
  });
}

function topology(root, inside) {
  const panel = element("div", { class: "pn-panel", role: "region", "aria-label": "What was clicked" });
  panel.append(element("p", {}, "Click a box to look inside, or use Tab and Enter."));
  root.append(panel);
  whenChosen(root.querySelector(".pn-stage"), (box) => {
    for (const one of root.querySelectorAll(".pn-box")) one.classList.toggle("pn-selected", one === box);
    const found = inside[box?.dataset.id];
    if (found) panel.replaceChildren(element("h4", {}, found.heading), ...found.tables.map(table));
  });
}

// The rows of a walk's tables that are hops, in their order.
function hopsOf(story) {
  return [...story.querySelectorAll("tbody > tr")]
    .filter((row) => row.cells.length > 1)
    .map((row) => {
      const packet = row.closest("table").caption.textContent;
      return { row, packet, place: row.cells[1].querySelector("span").textContent };
    });
}

// From one box to the next, also through the routing table of the room that both are in, as the picture's wires go.
function stretches(from, to) {
  const [a, b] = [from?.dataset.id ?? "", to?.dataset.id ?? ""];
  const routing = `${a.split("/")[0]} routing`;
  return [`${a} ${b}`, `${a} ${routing}`, `${routing} ${b}`];
}

function walk(root, story) {
  const hops = hopsOf(story);
  if (!hops.length) return;
  const last = hops.length - 1;
  const boxes = new Map([...root.querySelectorAll(".pn-box")].map((box) => [box.dataset.id, box]));
  const wires = [...root.querySelectorAll(".pn-wire")];
  const boxOf = (hop) => hop && (boxes.get(hop.place) ?? boxes.get(hop.place.split("/")[0]));
  let position = -1;
  let timer = 0;

  const button = (name) => element("button", { type: "button" }, name);
  const [first, back, play, step, end] = ["First", "Back", "Play", "Step", "Last"].map(button);
  const controls = element("div", { class: "pn-controls", role: "toolbar", "aria-label": "Walk" });
  controls.append(first, back, play, step, end);
  const words = element("div", { class: "pn-now", role: "status" }, "Press Step to follow the packet, or Play.");
  root.classList.add("pn-player");
  root.prepend(controls);
  root.append(words);

  // On a phone the picture is wider than the window: push it to where the packet is.
  function pushTo(box) {
    const stage = root.querySelector(".pn-stage");
    if (!box || stage.scrollWidth <= stage.clientWidth) return;
    const [there, seen] = [box.getBoundingClientRect(), stage.getBoundingClientRect()];
    stage.scrollLeft += there.x + there.width / 2 - (seen.x + seen.width / 2);
  }

  function go(number) {
    position = Math.max(0, Math.min(number, last));
    root.classList.add("pn-going");
    const hop = hops[position];
    const box = boxOf(hop);
    const way = hops.slice(0, position + 1).filter((one) => one.packet === hop.packet);
    const passed = new Set(way.map(boxOf));
    const steps = new Set(way.slice(1).flatMap((one, index) => stretches(boxOf(way[index]), boxOf(one))));
    for (const one of boxes.values()) {
      one.classList.toggle("pn-here", one === box);
      one.classList.toggle("pn-passed", passed.has(one));
    }
    for (const wire of wires) {
      const { a, b } = wire.dataset;
      wire.classList.toggle("pn-passed", steps.has(`${a} ${b}`) || steps.has(`${b} ${a}`));
    }
    hops.forEach((one, index) => one.row.classList.toggle("pn-now", index === position));
    pushTo(box);
    const place = hop.row.cells[1].innerText.replace("\n", ", ");
    const headers = hop.row.cells[2]?.cloneNode(true).childNodes ?? [];
    words.replaceChildren(element("b", {}, `${hop.packet}, hop ${hop.row.cells[0].textContent}: `), place, ...headers);
    first.disabled = back.disabled = position === 0;
    step.disabled = end.disabled = position === last;
    if (document.activeElement?.disabled) root.focus({ preventScroll: true }); // a disabled button swallows keys
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  }

  first.addEventListener("click", () => (stop(), go(0)));
  back.addEventListener("click", () => (stop(), go(position - 1)));
  step.addEventListener("click", () => (stop(), go(position + 1)));
  end.addEventListener("click", () => (stop(), go(last)));
  play.addEventListener("click", () => {
    if (timer) return stop();
    go(position === last ? 0 : position + 1);
    play.textContent = "Pause";
    timer = setInterval(() => (position < last ? go(position + 1) : stop()), PAUSE);
  });
  root.tabIndex = 0;
  root.addEventListener("keydown", (event) => {
    const keys = { ArrowRight: position + 1, ArrowLeft: position - 1, Home: 0, End: last };
    if (!(event.key in keys)) return;
    event.preventDefault();
    stop();
    go(keys[event.key]);
  });
  hops.forEach((hop, index) => hop.row.addEventListener("click", () => (stop(), go(index))));
  whenChosen(root.querySelector(".pn-stage"), (box) => {
    const order = [...hops.keys()].map((offset) => (position + 1 + offset) % hops.length);
    const found = order.find((number) => boxOf(hops[number]) === box);
    if (box && found !== undefined) (stop(), go(found));
  });
}

// Paper cannot be clicked.
window.addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});

for (const root of document.querySelectorAll(".pn-stored")) {
  const inside = root.querySelector("script"); // a sequence and an empty lab have nothing to click
  const story = root.nextElementSibling;
  if (inside) topology(root, JSON.parse(inside.textContent));
  else if (root.querySelector(".pn-box") && story?.matches("div")) walk(root, story);
}
