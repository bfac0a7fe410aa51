// What every widget with a picture needs.  Nothing is loaded from outside, and no text becomes markup.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// What a click shows: a caption, column heads and rows of text.
function table({ caption, columns, rows }) {
  const cells = (tag, values) => values.map((value) => element(tag, tag === "th" ? { scope: "col" } : {}, value));
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...cells("th", columns))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells("td", row)))),
  );
}

// Draws the SVG that Python made; returns whether it could.
function drawPicture(stage, picture) {
  const parsed = new DOMParser().parseFromString(picture, "image/svg+xml");
  if (parsed.querySelector("parsererror")) {
    stage.textContent = "The picture could not be drawn.";
    return false;
  }
  const svg = document.importNode(parsed.documentElement, true);
  svg.setAttribute("role", "group"); // an image hides its parts from screen readers; this one has buttons
  stage.replaceChildren(svg);
  return true;
}
