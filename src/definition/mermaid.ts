import { type Definition, titleOf } from "./definition.ts";
import type { AttemptNode, BranchNode, ForkNode, LoopNode, Node, WaitNode } from "./node.ts";

/**
 * A definition as a Mermaid flowchart. Shapes: rectangle = step, rhombus = branch, hexagon = loop, trapezoids = fork and join,
 * rounded = wait, double-edged = call, subgraph = attempt (its handler behind a dotted edge).
 */
export function toMermaid(definition: Definition): string {
  const chart = new Chart();
  const start = chart.node("((", `${titleOf(definition)}`, "))");
  const last = chart.draw(definition.root, start);
  chart.edge(last, chart.node("(((", "end", ")))"));
  return ["flowchart TD", ...chart.lines, ""].join("\n");
}

/** Nodes are numbered in the order of drawing: ids of authors may be words that Mermaid reserves. */
class Chart {
  readonly lines: string[] = [];
  #count = 0;
  #depth = 1;

  node(open: string, text: string, close: string): string {
    const id = `n${this.#count++}`;
    this.#line(`${id}${open}"${escaped(text)}"${close}`);
    return id;
  }

  edge(from: string, to: string, text = "", arrow = "-->"): void {
    this.#line(text === "" ? `${from} ${arrow} ${to}` : `${from} ${arrow}|"${escaped(text)}"| ${to}`);
  }

  /** Draws a node behind `from`; gives what the next is drawn behind. */
  draw(node: Node, from: string, text = ""): string {
    switch (node.kind) {
      case "step":
        return this.#behind(from, this.node("[", node.id, "]"), text);
      case "sequence":
        return node.children.reduce((last, child, i) => this.draw(child, last, i === 0 ? text : ""), from);
      case "branch":
        return this.#branch(node, from, text);
      case "loop":
        return this.#loop(node, from, text);
      case "fork":
        return this.#fork(node, from, text);
      case "wait":
        return this.#behind(from, this.node("([", `${node.id}: ${waitText(node)}`, "])"), text);
      case "call":
        return this.#behind(from, this.node("[[", `${node.id}: ${node.label} ${titleOf(node.flow)}`, "]]"), text);
      case "attempt":
        return this.#attempt(node, from, text);
    }
  }

  #line(text: string): void {
    this.lines.push("  ".repeat(this.#depth) + text);
  }

  #behind(from: string, to: string, text: string): string {
    this.edge(from, to, text);
    return to;
  }

  #branch({ id, label, cases, otherwise }: BranchNode, from: string, text: string): string {
    const choice = this.#behind(from, this.node("{", id, "}"), text);
    const ends = Object.entries(cases).map(([name, body]) => this.draw(body, choice, name));
    if (otherwise) ends.push(this.draw(otherwise, choice, "default"));
    const meet = this.node("((", " ", "))");
    for (const end of ends) this.edge(end, meet);
    if (!otherwise && !(label === "if" && "else" in cases)) this.edge(choice, meet, "else");
    return meet;
  }

  #loop({ id, label, mode, max, body }: LoopNode, from: string, text: string): string {
    const bound = mode === "times" ? `${max} times` : `${label}, at most ${max}`;
    const head = this.#behind(from, this.node("{{", `${id}: ${bound}`, "}}"), text);
    this.edge(this.draw(body, head, "again"), head);
    return head;
  }

  #fork({ id, label, children, concurrency, join }: ForkNode, from: string, text: string): string {
    const window = children.kind === "map" ? `, ${concurrency} at a time` : "";
    const head = this.#behind(from, this.node("[/", `${id}: ${label}${window}`, "\\]"), text);
    const ends =
      children.kind === "map"
        ? [this.draw(children.body, head, "each")]
        : Object.entries(children.branches).map(([name, body]) => this.draw(body, head, name));
    const meet = this.node("[\\", `join: ${join.kind}`, "/]");
    for (const end of ends) this.edge(end, meet);
    return meet;
  }

  #attempt({ id, body, handler }: AttemptNode, from: string, text: string): string {
    this.#line(`subgraph s${this.#count}["${escaped(id)}: attempt"]`);
    this.#depth++;
    const start = this.node("((", " ", "))");
    const end = this.draw(body, start);
    this.#depth--;
    this.#line("end");
    this.edge(from, start, text);
    if (handler === undefined) return end;
    const caught = this.node(">", handler.kind, "]");
    this.edge(start, caught, "on failure", "-.->");
    const meet = this.node("((", " ", "))");
    this.edge(end, meet);
    this.edge(this.draw(handler.node, caught), meet);
    return meet;
  }
}

function waitText({ wait, label }: WaitNode): string {
  return wait.kind === "signal" ? `${label} ${wait.names.join(", ")}` : label;
}

/** Mermaid reads `#` + code + `;` in quoted text. Everything that is not plainly a word is written so. */
const escaped = (text: string): string => text.replace(/[^\p{L}\p{N} .,:@_-]/gu, (sign) => `#${sign.codePointAt(0)};`);
