"""The page's style sheet. Figures take their colours from its variables too."""

STYLE = """
:root {
  --paper: #faf9f6; --card: #ffffff; --ink: #1d2327; --soft: #646c70; --rule: #e4e2dc;
  --train: #8f9ba1; --validation: #14708a; --probe: #6a4c93; --baseline: #b35c1e; --right: #1f7a4d;
  --bar: #d3e5ea; --track: #f7f8f7; --right-bar: #c6e7d2; --warn: #fdf4e3; --warn-rule: #d9a441;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", Georgia,
    "Liberation Serif", serif;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans",
    Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #15181a; --card: #1c2023; --ink: #e6e4df; --soft: #9aa2a6; --rule: #30363a;
    --train: #75828a; --validation: #5cb8d2; --baseline: #e2935a; --right: #6fce9b;
    --probe: #b79ae0;
    --bar: #264552; --track: #212629; --right-bar: #1f5038; --warn: #2b2516; --warn-rule: #a8823a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 3.2rem 1.5rem 4rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 var(--sans); font-variant-numeric: tabular-nums;
}
h1, h2, h3, p, figure, table, ul, pre { margin: 0; padding: 0; }
h1 { font: 600 2.5rem/1.15 var(--serif); overflow-wrap: anywhere; }
h2 { font: 600 1.6rem/1.2 var(--serif); margin-bottom: 1rem; }
h3 { font: 600 .95rem/1.4 var(--sans); }
code, pre { font-family: var(--mono); font-size: .86em; }
.brand { color: var(--soft); font-size: .85rem; letter-spacing: .04em; margin-bottom: .4rem; }
.lede { font: 1.28rem/1.55 var(--serif); max-width: 46rem; margin-top: 1rem; }
.explain { color: var(--soft); max-width: 46rem; margin-bottom: 1.2rem; }
section { margin-top: 3.6rem; }
.pill {
  display: inline-block; vertical-align: .45em; font: 500 .8rem/1 var(--sans); padding: .36em .8em;
  margin-left: .3em; border-radius: 2em; color: var(--soft); border: 1px solid var(--rule);
}
.pill::before {
  content: ""; display: inline-block; width: .55em; height: .55em; border-radius: 50%;
  margin-right: .5em; background: var(--soft);
}
.pill.finished::before { background: var(--right); }
.pill.running::before { background: var(--validation); }
.pill.stopped::before { background: var(--baseline); }

.notes {
  margin-top: 2rem; padding: .9rem 1.2rem; background: var(--warn);
  border-left: 3px solid var(--warn-rule); border-radius: 0 6px 6px 0; overflow-wrap: anywhere;
}
.notes ul { list-style: none; }
.notes li + li { margin-top: .5rem; }

.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: 1rem;
  margin-top: 2.2rem;
}
.tile {
  display: flex; flex-direction: column; background: var(--card); border: 1px solid var(--rule);
  border-radius: 8px; padding: 1rem 1.1rem 1.05rem;
}
.label { color: var(--soft); font-size: .86rem; }
.figure { font: 600 2.1rem/1.25 var(--sans); letter-spacing: -.02em; }
.beside { color: var(--soft); font-size: .86rem; line-height: 1.4; padding-top: .45rem;
  overflow-wrap: anywhere; }
.beside b { color: var(--ink); font-weight: 600; }
.bar { position: relative; height: 6px; margin: .5rem 0 .1rem; background: var(--bar);
  border-radius: 3px; }
.bar i { position: absolute; display: block; }
.bar .fill { inset: 0 auto 0 0; background: var(--validation); border-radius: 3px; }
.bar .mark { top: -3px; bottom: -3px; width: 2px; background: var(--baseline); }

.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr));
  gap: 1.2rem; }
.columns { columns: 27rem; column-gap: 1.2rem; }
.columns + .grid { margin-top: 1rem; }
.columns > * { break-inside: avoid; margin-bottom: 1.2rem; }
figure, .sample {
  background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: 1rem 1.1rem; min-width: 0; break-inside: avoid;
}
figure svg { display: block; width: 100%; height: auto; margin: .5rem 0 .2rem;
  font-family: var(--sans); overflow: visible; }
@supports (grid-template-rows: subgrid) {  /* headings, plots and captions of a row align */
  .curve { display: grid; grid-row: span 3; grid-template-rows: subgrid; row-gap: .1rem; }
}
.curve svg { align-self: start; }
figcaption { color: var(--soft); font-size: .88rem; line-height: 1.45; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1em; font-size: .84rem; color: var(--soft); }
.key::before { content: ""; display: inline-block; width: 1.2em; height: 3px; border-radius: 2px;
  vertical-align: .22em; margin-right: .4em; background: var(--train); }
.key.validation::before { background: var(--validation); }
.key.probe::before { background: var(--probe); }
.key.baseline { color: var(--baseline); }
.key.baseline::before { height: 2px; background: repeating-linear-gradient(to right,
  var(--baseline) 0 .3em, transparent .3em .45em); }

table { border-collapse: collapse; font-size: .92rem; line-height: 1.4; }
th { text-align: left; font-weight: 400; }
thead th { color: var(--soft); font-size: .86rem; }
.scroll { overflow-x: auto; }
.scroll + h3, div > h3 { margin-bottom: .5rem; }
.numbers th, .numbers td, .lookup th, .lookup td {
  padding: .36rem 1.6rem .36rem 0; border-bottom: 1px solid var(--rule); vertical-align: baseline;
}
.numbers td, .numbers thead th + th { text-align: right; }
.numbers td { white-space: nowrap; }
.numbers small { display: block; color: var(--soft); font-size: .8rem; overflow-wrap: anywhere; }
.numbers td:last-child, .numbers th:last-child { padding-right: 0; }
.numbers { min-width: min(100%, 25rem); }
.lookup td { overflow-wrap: anywhere; min-width: 4rem; }
.lookup th { white-space: nowrap; }
q { quotes: "“" "”"; }

.sentence { font: 1.1rem/1.6 var(--serif); margin-bottom: .7rem; overflow-wrap: anywhere; }
mark { background: var(--right-bar); color: var(--right); font-weight: 600; padding: 0 .3em;
  border-radius: 4px; }
.guesses { width: 100%; table-layout: fixed; font-size: .82rem; }
.guesses caption { text-align: left; color: var(--soft); padding: .5rem 0 .2rem; }
.guesses th { width: 3.4rem; color: var(--soft); padding-right: .6rem; text-align: right;
  white-space: nowrap; font-size: .8rem; }
.guesses thead th + th { text-align: left; width: auto; }
.guesses td {
  padding: .16rem .28rem; border: 1.5px solid var(--card);
  background: linear-gradient(to right, var(--bar) var(--p, 0%), var(--track) 0);
}
.guesses td div { display: flex; align-items: baseline; gap: .2em; white-space: nowrap; }
.guesses span { flex: 1; overflow: hidden; text-overflow: ellipsis; }
.guesses small { color: var(--soft); font-size: .68rem; font-weight: 400; }
.guesses .right { color: var(--right); font-weight: 600;
  background: linear-gradient(to right, var(--right-bar) var(--p, 0%), var(--track) 0); }

.confusion th, .confusion td { padding: .45rem .8rem; text-align: right; max-width: 12rem;
  overflow-wrap: anywhere; }
.confusion thead tr:first-child th { text-align: center; }
.confusion tbody th, .confusion thead tr + tr th:first-child { text-align: left; }
.confusion td { border: 1.5px solid var(--paper); min-width: 5rem;
  background: color-mix(in srgb, var(--baseline) var(--s, 0%), var(--card)); }
.confusion td.right {
  background: color-mix(in srgb, var(--right) var(--s, 0%), var(--card)); }
.confusion thead td { background: none; border: 0; }
.confusion small { display: block; font-size: .78rem; opacity: .75; }
.scores th { max-width: 34rem; }
.narrow { max-width: 36rem; }
.narrow figcaption { margin-top: .4rem; }
mark.wrong { background: var(--warn); color: var(--baseline); }
.said { font-size: .92rem; overflow-wrap: anywhere; }
.place { color: var(--soft); font-size: .8rem; overflow-wrap: anywhere; }
.long { border: 0; padding: 0; }
.long summary { font-weight: inherit; }
.tagged { display: flex; flex-wrap: wrap; gap: .1rem .45em; align-items: flex-start;
  font: 1.05rem/1.4 var(--serif); margin-bottom: .6rem; }
.tagged > span { overflow-wrap: anywhere; }
.tagged small { display: block; font: .72rem/1.3 var(--sans); }
.tagged .right small { color: var(--right); }
.tagged .wrong { color: var(--baseline); }
.tagged .wrong small { color: var(--ink); }
a { color: var(--validation); }

pre { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: .9rem 1.1rem; white-space: pre-wrap; overflow-wrap: anywhere; margin-bottom: 1rem; }
details { border-bottom: 1px solid var(--rule); padding: .7rem 0; }
summary { cursor: pointer; font-weight: 600; }
details > :not(summary) { margin-top: .8rem; }
footer { margin-top: 3.5rem; color: var(--soft); font-size: .86rem; }

@media (max-width: 34rem) {
  body { padding: 1.6rem 1rem 3rem; }
  h1 { font-size: 1.9rem; }
  .lede { font-size: 1.12rem; }
  section { margin-top: 2.6rem; }
  .tiles { grid-template-columns: 1fr 1fr; gap: .7rem; }
  .tile { padding: .8rem .85rem; }
  .tile:last-child:nth-child(odd) { grid-column: 1 / -1; }
  .figure { font-size: 1.6rem; }
  figure, .sample { padding: .85rem .8rem; }
  .guesses { font-size: .78rem; min-width: 23.5rem; }
  .guesses small { display: none; }
  .guesses th { width: 2.9rem; padding-right: .4rem; font-size: .72rem; }
  .guesses td { padding: .16rem .2rem; border-width: 1px; }
}
@media print {
  html { font-size: 11px; }
  body { max-width: none; padding: 0; font-size: 1rem; background: none; }
  .grid { grid-template-columns: 1fr 1fr; }
  .columns { columns: 2; }
  .tiles { grid-template-columns: repeat(5, 1fr); gap: .5rem; }
  .tile, figure, .sample, tr, .notes { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
