import { html } from "./html.ts";
import type { Html } from "./html.ts";

const characterSegmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

export interface Bar {
  readonly label: string;
  /** 0 to 1: how much of the width the bar takes. */
  readonly share: number;
  /** What is written after the bar. */
  readonly value: string;
}

const WIDTH = 640;
const ROW = 26;
const LABEL_WIDTH = 250;
const VALUE_WIDTH = 60;
/** At 13 px a character of a wide font takes 8 units; longer labels are cut, and the tooltip shows them whole. */
const LABEL_CHARACTERS = 30;

/** A horizontal bar chart as inline SVG. Its colours are the page's; a screen reader hears `title` and every value. */
export function barChart(bars: readonly Bar[], options: { readonly title: string }): Html {
  const height = bars.length * ROW;
  const heard = `${options.title}: ${bars.map(({ label, value }) => `${label} ${value}`).join("; ")}`;
  return html`<svg class="chart" role="img" viewBox="0 0 ${WIDTH} ${height}" aria-label="${heard}">${bars.map(row)}
</svg>`;
}

function row({ label, share, value }: Bar, index: number): Html {
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  const width = Math.max(2, Math.round(Math.min(1, Math.max(0, share)) * room));
  const middle = index * ROW + 17;
  return html`
<g><title>${label}: ${value}</title>
<text x="${LABEL_WIDTH - 10}" y="${middle}" text-anchor="end">${shortened(label)}</text>
<rect x="${LABEL_WIDTH}" y="${index * ROW + 5}" width="${width}" height="${ROW - 10}" rx="3"/>
<text class="value" x="${LABEL_WIDTH + width + 8}" y="${middle}">${value}</text></g>`;
}

function shortened(label: string): string {
  const characters = Array.from(characterSegmenter.segment(label), ({ segment }) => segment);
  return characters.length <= LABEL_CHARACTERS ? label : `${characters.slice(0, LABEL_CHARACTERS - 1).join("")}…`;
}
