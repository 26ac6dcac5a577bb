"""The page's script: choose a head, then a token. Without it the picture and the table remain."""

SCRIPT = """
"use strict";
for (const section of document.querySelectorAll("section[data-heads]")) show(section);

async function show(section) {
  const heads = Number(section.dataset.heads);
  const tiles = [...section.querySelectorAll(".tiles button")];
  const words = [...section.querySelectorAll(".words button")];
  const rows = [...section.querySelectorAll("tbody tr")];
  const chosen = section.querySelector(".chosen"), map = chosen.querySelector("canvas");
  const readout = chosen.querySelector(".readout");
  const labels = words.map(word => word.firstChild.textContent);
  const tokens = words.length, grey = await read(section.querySelector("img"));
  let head = 0, from = 1;  // of the tokens the first that is text

  // The probability behind a pixel; a line of the picture begins with a byte that is no pixel.
  function pixel(i, j) {
    const line = Math.floor(head / heads) * tokens + i;
    return grey[line * (heads * tokens + 1) + 1 + (head % heads) * tokens + j];
  }
  const share = (i, j) => (pixel(i, j) / 255) ** 2;

  function chooseHead(index) {
    head = index;
    const layer = Math.floor(head / heads);
    chosen.querySelector("h3").textContent = `Layer ${layer + 1}, head ${head % heads + 1}`;
    press(tiles, head);
    for (const row of rows) row.classList.toggle("on", Number(row.dataset.head) === head);
    const image = new ImageData(tokens, tokens);
    for (let i = 0; i < tokens; i++)
      for (let j = 0; j < tokens; j++)
        image.data.set([pixel(i, j), pixel(i, j), pixel(i, j), 255], 4 * (i * tokens + j));
    map.getContext("2d").putImageData(image, 0, 0);
    chooseToken(from);
  }

  function chooseToken(i) {
    from = i;
    press(words, i);
    words.forEach((word, j) => {
      word.style.setProperty("--weight", `${Math.round(70 * pixel(i, j) / 255)}%`);
      word.lastChild.textContent = percent(share(i, j));
    });
    left.forEach((label, j) => label.classList.toggle("on", i === j));
    const order = [...labels.keys()].sort((a, b) => pixel(i, b) - pixel(i, a)).slice(0, 3);
    const best = order.map(j => `“${labels[j]}” ${percent(share(i, j))}`).join(", ");
    readout.textContent = `“${labels[i]}” looks at ${best}`;
  }

  function label(name) {
    return labels.map(text => {
      const place = document.createElement("span");
      place.textContent = place.title = text;
      chosen.querySelector(name).append(place);
      return place;
    });
  }
  const left = label(".left");
  label(".top");

  tiles.forEach((tile, i) => tile.addEventListener("click", () => chooseHead(i)));
  rows.forEach((row, i) => row.addEventListener("click", () => chooseHead(i)));
  words.forEach((word, i) => {
    for (const event of ["click", "focus", "pointerenter"])
      word.addEventListener(event, () => chooseToken(i));
  });
  map.addEventListener("pointermove", event => {
    const cell = map.clientWidth / tokens, at = x => Math.min(tokens - 1, Math.floor(x / cell));
    const i = at(event.offsetY), j = at(event.offsetX);
    chooseToken(i);
    readout.textContent = `“${labels[i]}” looks at “${labels[j]}”: ${percent(share(i, j))}`;
  });
  walk(tiles, heads);
  walk(words, words.length);
  sortable(section.querySelector("table"), rows);
  chosen.hidden = false;
  chooseHead(0);
}

// The bytes of the picture. Its one block of data stands between a header and an end that never
// change their length.
async function read(image) {
  const file = Uint8Array.from(atob(image.src.split(",")[1]), c => c.charCodeAt(0));
  const packed = new Blob([file.subarray(41, -16)]).stream();
  const plain = new Response(packed.pipeThrough(new DecompressionStream("deflate")));
  return new Uint8Array(await plain.arrayBuffer());
}

const percent = x => x >= 0.005 ? `${Math.round(100 * x)}%` : x > 0 ? "<1%" : "0%";

// One of a group of buttons is pressed, and it alone is reached by the tabulator key.
function press(buttons, index) {
  buttons.forEach((button, i) => {
    button.setAttribute("aria-pressed", i === index);
    button.tabIndex = i === index ? 0 : -1;
  });
}

// Arrow keys lead from button to button.
function walk(buttons, columns) {
  const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns};
  buttons.forEach((button, i) => button.addEventListener("keydown", event => {
    const next = buttons[i + steps[event.key]];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  }));
}

function sortable(table, rows) {
  const body = table.tBodies[0], titles = [...table.querySelectorAll("thead th")];
  titles.forEach((title, column) => title.firstChild.addEventListener("click", () => {
    // Shares begin with the largest, heads with the first; another click turns them round.
    const before = title.ariaSort, up = before ? before === "descending" : column === 0;
    const value = row => column ? parseFloat(row.cells[column].textContent) : row.dataset.head;
    for (const other of titles) other.ariaSort = null;
    title.ariaSort = up ? "ascending" : "descending";
    body.append(...[...rows].sort((a, b) => (value(a) - value(b)) * (up ? 1 : -1)));
  }));
}
"""
