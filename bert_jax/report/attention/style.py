"""What the page of attention looks like, beyond the style sheet that all pages share."""

STYLE = """
header .explain { margin: 1rem 0 0; }
h2 span { display: block; overflow-wrap: anywhere; }
.grid.overview { grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.heads { display: grid; grid-template-columns: max-content 1fr; gap: .2rem .5rem; margin-top: .6rem;
  font-size: .74rem; color: var(--soft); max-width: calc(var(--heads) * 8rem); }
.across { grid-column: 2; display: grid; grid-template-columns: repeat(var(--heads), 1fr);
  text-align: center; }
.down { display: grid; grid-template-rows: repeat(var(--layers), 1fr); align-items: center;
  text-align: right; }

/* Grey becomes a shade of the page's colour: nothing is white, and black in the dark. */
.shaded { position: relative; isolation: isolate; background: var(--card); }
.shaded > img, .shaded > canvas { display: block; width: 100%; height: auto; filter: invert(1);
  image-rendering: var(--rendering, pixelated); }
.shaded::after { content: ""; position: absolute; inset: 0; background: var(--validation);
  mix-blend-mode: screen; pointer-events: none; }
@media screen and (prefers-color-scheme: dark) {
  .shaded > img, .shaded > canvas { filter: none; }
  .shaded::after { mix-blend-mode: multiply; }
}
.tiles { position: absolute; inset: 0; z-index: 1; margin: 0; gap: 0; display: grid;
  grid-template: repeat(var(--layers), 1fr) / repeat(var(--heads), 1fr); }
.tiles button { background: none; border: 1px solid var(--card); border-radius: 0; padding: 0;
  min-width: 0; outline: 1px solid var(--rule); outline-offset: -2px; cursor: pointer; }
.tiles button:hover { outline-color: var(--ink); }
.tiles button[aria-pressed=true] { outline: 3px solid var(--baseline); }
.tiles button:focus-visible { outline: 3px solid var(--ink); }

.ranking .scroll { max-height: 27rem; overflow: auto; }
.ranking table { width: 100%; font-size: .84rem; }
.ranking thead th { position: sticky; top: 0; background: var(--card); }
.ranking th, .ranking td { padding: .22rem .5rem; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
.ranking td { text-align: right;
  background: linear-gradient(to right, var(--bar) var(--p, 0%), transparent 0); }
.ranking thead th { text-align: right; vertical-align: bottom; white-space: normal; }
.ranking thead th:first-child { text-align: left; }
.ranking button { background: none; border: 0; padding: 0; font: inherit; color: inherit;
  text-align: inherit; cursor: pointer; }
.ranking [aria-sort=descending] button::after { content: " ↓"; }
.ranking [aria-sort=ascending] button::after { content: " ↑"; }
.ranking tbody tr { cursor: pointer; }
.ranking tr.on th { color: var(--baseline); font-weight: 600; }

.chosen { margin-top: 1.2rem; }
.readout { margin: .3rem 0 .8rem; }
.words { display: flex; flex-wrap: wrap; gap: .25rem; margin-bottom: .5rem; }
.words button {
  display: grid; justify-items: center; font: 1rem/1.3 var(--serif); color: var(--ink);
  padding: .15rem .35rem; border: 1px solid transparent; border-radius: 4px; cursor: pointer;
  background: color-mix(in srgb, var(--validation) var(--weight, 0%), var(--card));
}
.words button[aria-pressed=true] { border-color: var(--baseline); }
.words small { font: .66rem/1.3 var(--sans); opacity: .8; }
.cells { --cell: clamp(.5rem, calc(48rem / var(--tokens)), 1.7rem); display: grid; gap: .3rem;
  grid-template-columns: max-content calc(var(--cell) * var(--tokens)); line-height: 1;
  font-size: min(.82rem, calc(.8 * var(--cell))); margin-top: 1.2rem; color: var(--soft); }
.cells span { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.top { grid-column: 2; display: grid; grid-template-columns: repeat(var(--tokens), var(--cell));
  align-items: end; }
.top span { writing-mode: vertical-rl; rotate: 180deg; max-height: 8em; justify-self: center; }
.left { display: grid; grid-template-rows: repeat(var(--tokens), var(--cell)); align-items: center;
  text-align: right; }
.left span { max-width: 9em; }
.left .on { color: var(--baseline); font-weight: 600; }
@media print { .chosen { display: none; } }
"""
