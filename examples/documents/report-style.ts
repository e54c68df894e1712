import { Html } from "./html.ts";

// One self-contained sheet: no web font, no request. Contrast is at least 4.5:1 in both schemes.
const SHEET = `
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #ffffff; --ink: #1f2328; --soft: #57606a; --line: #dcd8cf;
  --bar: #2f6f8f; --accent: #1d5c7a; --warn: #8a4b00; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --card: #1c2024; --ink: #e8e6e1; --soft: #a3abb4;
  --line: #343a40; --bar: #6fb3d2; --accent: #8cc7e2; --warn: #f0b35e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 Charter, "Iowan Old Style", "Source Serif 4", Georgia, serif; }
header, main, footer { max-width: 54rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 3rem; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .25rem; }
h3, th, .figures, .file, footer, .meta, svg text { font-family: system-ui, "Segoe UI", Roboto, sans-serif; }
h3 { font-size: .8rem; letter-spacing: .06em; text-transform: uppercase; color: var(--soft); margin: 1.5rem 0 .5rem; }
a { color: var(--accent); }
.skip { position: absolute; left: -100vw; } .skip:focus { left: 1rem; top: 1rem; }
.meta, .file, footer { color: var(--soft); font-size: .9rem; }
.file { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; margin: 0; }
article, .panel { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1.5rem;
  margin: 1.5rem 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; overflow-wrap: normal; }
caption { text-align: left; color: var(--soft); font-size: .9rem; padding-bottom: .5rem; }
th, td { padding: .45rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { font-size: .8rem; color: var(--soft); } tbody th { font-weight: 600; } tr:last-child > * { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } .ease { white-space: nowrap; }
blockquote { margin: 1rem 0 0; padding-left: 1rem; border-left: 3px solid var(--bar); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 0; }
.figures dt { color: var(--soft); font-size: .8rem; } .figures dd { margin: 0; font-variant-numeric: tabular-nums; }
.chart { display: block; width: 100%; max-width: 40rem; height: auto; font-size: 13px; }
.chart text { fill: var(--ink); } .chart .value { fill: var(--soft); } .chart rect { fill: var(--bar); }
.skipped h2 { color: var(--warn); }
footer { padding-bottom: 3rem; }
@media print { body { background: none; } article, .panel { break-inside: avoid; } .skip { display: none; } }
`;

/** The style of the HTML report. */
export const reportStyle: Html = new Html(SHEET);
