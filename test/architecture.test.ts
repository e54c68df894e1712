import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { lintOverrides, MAY_IMPORT } from "./architecture/layers.ts";
import { type SourceFile, violations } from "./architecture/rules.ts";
import { readSource } from "./architecture/source-text.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

function filesIn(folder: string): SourceFile[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|mts|tsx)$/.test(name) && !/(^|[/\\])(node_modules|dist)[/\\]/.test(name))
    .map((name) => ({
      path: `${folder}/${name.split(sep).join("/")}`,
      text: readFileSync(join(root, folder, name), "utf8"),
    }));
}

describe("the source", () => {
  const source = filesIn("src");

  it("is found at all", () => {
    expect(source.length).toBeGreaterThan(20);
  });

  it("keeps every rule of the house", () => {
    const found = [...source, ...filesIn("test"), ...filesIn("examples"), ...filesIn("scripts")].flatMap(violations);
    expect(found).toEqual([]);
  });
});

describe("the linter's configuration", () => {
  it("repeats the import table word for word (npm run lint:layers writes it)", () => {
    const config = JSON.parse(readFileSync(join(root, ".oxlintrc.json"), "utf8")) as { overrides: unknown[] };
    const wanted = lintOverrides();
    expect(config.overrides.slice(-wanted.length)).toEqual(wanted);
  });
});

describe("the import table", () => {
  it("has no cycle", () => {
    const reaches = (from: string, seen: readonly string[]): string[] =>
      (MAY_IMPORT[from] ?? []).flatMap((to) =>
        seen.includes(to) ? [[...seen, to].join(" → ")] : reaches(to, [...seen, to]),
      );
    expect(Object.keys(MAY_IMPORT).flatMap((layer) => reaches(layer, [layer]))).toEqual([]);
  });

  it("keeps planner and stores apart", () => {
    expect(MAY_IMPORT["planner"]).not.toContain("stores");
    expect(MAY_IMPORT["stores"]).not.toContain("planner");
  });
});

/** Each rule is shown a snippet it must refuse, so that no rule can go blind unnoticed. */
const REFUSED: readonly (readonly [what: string, path: string, text: string, message: RegExp])[] = [
  [
    "an upward import",
    "src/domain/a.ts",
    `import { x } from "../definition/b.ts";`,
    /domain may not import definition/,
  ],
  ["an upward type", "src/planner/a.ts", `import type { X } from "../ports/b.ts";`, /planner may not import ports/],
  ["an inline type", "src/stores/a.ts", `type X = import("../planner/b.ts").X;`, /stores may not import planner/],
  ["a re-export", "src/ports/a.ts", `export * from "../engine/b.ts";`, /ports may not import engine/],
  ["a named re-export", "src/ports/a.ts", `export {\n  x,\n} from "../dsl/b.ts";`, /:3: ports may not import dsl/],
  ["a dynamic import", "src/engine/a.ts", `await import("../worker/b.ts");`, /engine may not import worker/],
  ["an import for effect", "src/worker/a.ts", `import "../runner/b.ts";`, /worker may not import runner/],
  ["an import in a template", "src/dsl/a.ts", 'f(`${await import("../engine/b.ts")}`);', /dsl may not import engine/],
  ["a door", "src/runner/a.ts", `import { x } from "../index.ts";`, /runner may not import entry/],
  ["its own public name", "src/runner/a.ts", `import { x } from "flujo";`, /its public name/],
  ["a way out of src", "src/cli/a.ts", `import x from "../../test/b.ts";`, /leaves src/],
  ["a missing suffix", "src/cli/a.ts", `import x from "./b.js";`, /\.ts suffix/],
  ["an unknown layer", "src/magic/a.ts", "export {};", /not in the import table/],
  ["another store", "src/stores/sqlite/a.ts", `import { x } from "../memory/b.ts";`, /another store/],
  ["a store from what stores share", "src/stores/a.ts", `import { x } from "./memory/b.ts";`, /another store/],
  ["Node in a pure layer", "src/domain/a.ts", `import { join } from "node:path";`, /may not import "node:path"/],
  ["a package in a pure layer", "src/planner/a.ts", `import type { X } from "zod";`, /may not import "zod"/],
  ["the excepted package elsewhere", "src/domain/a.ts", `import type { X } from "@standard-schema/spec";`, /pure/],
  ["the excepted package as a value", "src/domain/schema.ts", `import { X } from "@standard-schema/spec";`, /pure/],
  ["Date.now", "src/domain/a.ts", "const t = Date.now();", /Date\.now/],
  ["new Date()", "src/domain/a.ts", "const t = new Date( );", /new Date\(\)/],
  ["new Date", "src/domain/a.ts", "const t = new Date;", /new Date\(\)/],
  ["Date()", "src/domain/a.ts", "const t = Date();", / Date\(\)/],
  ["Math.random", "src/planner/a.ts", "const r = Math.random();", /Math\.random/],
  ["process", "src/definition/a.ts", "const p = process.platform;", /process/],
  ["a timer", "src/planner/a.ts", "setTimeout(f, 1);", /timers/],
  ["a microtask", "src/planner/a.ts", "queueMicrotask(f);", /timers/],
  ["performance.now", "src/planner/a.ts", "performance.now();", /performance\.now/],
  ["random ids", "src/domain/a.ts", "crypto.randomUUID();", /randomness/],
  ["fetch", "src/domain/a.ts", "await fetch(url);", /fetch/],
  ["globalThis", "src/domain/a.ts", "globalThis.setTimeout;", /globalThis/],
  ["a computed import", "src/domain/a.ts", "await import(name);", /computed import/],
  ["impurity in a template", "src/domain/a.ts", "const s = `${`at ${Date.now()}`}`;", /Date\.now/],
  ["impurity after a regex", "src/domain/a.ts", `const r = /["'\`/]/; Date.now();`, /Date\.now/],
  ["process.env", "src/worker/a.ts", "const e = process.env.HOME;", /process\.env/],
  ["process.env by name", "src/worker/a.ts", `import { env } from "node:process";`, /process\.env/],
  ["a long file", "src/worker/a.ts", "x;\n".repeat(401), /401 lines, 400 at most/],
  ["a long test", "test/a.test.ts", "x;\n".repeat(601), /601 lines, 600 at most/],
  ["a name that says nothing", "src/worker/utils.ts", "export {};", /does not say/],
  ["a folder that says nothing", "test/helpers/a.ts", "export {};", /does not say/],
  ["a default export", "src/worker/a.ts", "export default 1;", /no default exports/],
  ["a renamed default export", "src/worker/a.ts", "export { x as default };", /no default exports/],
  ["an enum", "src/worker/a.ts", "export const enum A { B }", /no enum/],
  ["an inner file in an example", "examples/a.ts", `import { x } from "../src/runner/b.ts";`, /examples import only/],
  ["an inner name in an example", "examples/a.ts", `import { x } from "flujo/engine";`, /examples import only/],
];

const ACCEPTED: readonly (readonly [what: string, path: string, text: string])[] = [
  ["a downward import", "src/planner/a.ts", `import { x } from "../domain/b.ts";`],
  ["its own layer", "src/domain/sub/a.ts", `import { x } from "../b.ts";`],
  ["a shared file of all stores", "src/stores/sqlite/a.ts", `import { x } from "../migrate.ts";`],
  ["doors in the command line", "src/cli/a.ts", `import { x } from "../index.ts";`],
  ["anything in a door", "src/index.ts", `export { x } from "./runner/b.ts";`],
  ["the excepted package", "src/domain/schema.ts", `import type { X } from "@standard-schema/spec";`],
  ["a date from a number", "src/domain/a.ts", "const t = new Date(ms).toISOString();"],
  ["a word in a comment", "src/domain/a.ts", "// never Date.now()\n/* nor import x from 'node:fs' */"],
  ["a word in a string", "src/domain/a.ts", `const s = "Date.now() from 'node:fs'"; const t = \`Math.random()\`;`],
  ["a division", "src/domain/a.ts", "const x = a / b; const s = 'Date.now()'; const y = c / d;"],
  ["a property called process", "src/domain/a.ts", "node.process.name; node.setTimeout(1);"],
  ["process.env in config", "src/config/a.ts", "const e = process.env.HOME;"],
  ["public names in an example", "examples/a.ts", `import "flujo"; import "./b.ts"; import "zod"; import "node:fs";`],
];

describe("the rules", () => {
  it.each(REFUSED)("refuse %s", (_what, path, text, message) => {
    expect(violations({ path, text }).join("\n")).toMatch(message);
  });

  it.each(ACCEPTED)("accept %s", (_what, path, text) => {
    expect(violations({ path, text })).toEqual([]);
  });

  it("read every way to name a module", () => {
    const text = `import a from "a";\nimport type { B } from 'b';\nimport "c";\nexport * as d from "d";\nimport(\`e\`);\nrequire("f");`;
    expect(readSource(text).imports.map((module) => module.specifier)).toEqual(["a", "b", "c", "d", "e", "f"]);
    expect(readSource(text).imports.map((module) => module.typeOnly)).toEqual([
      false,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});
