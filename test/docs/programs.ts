import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Fence, fencesOf, type Page, ROOT } from "./markdown.ts";

/** A ```ts fence as a file. Fences of one page are in one folder, so one may import another by its title. */
export interface Program {
  readonly name: string;
  readonly code: string;
  readonly line: number;
  /** Marked with the word `run`, or followed by a ```text fence that says what it prints. */
  readonly runs: boolean;
  readonly prints: string | undefined;
}

export function programsOf(from: Page): Program[] {
  const fences = fencesOf(from);
  return fences.flatMap((fence, i) => (fence.language === "ts" ? [programOf(fence, fences[i + 1], i)] : []));
}

function programOf({ info, code, line }: Fence, next: Fence | undefined, index: number): Program {
  const prints = next?.language === "text" ? next.code : undefined;
  const title = /title="([^"]+)"/.exec(info)?.[1] ?? `fence-${index}.mjs`;
  const runs = prints !== undefined || /(^|\s)run(\s|$)/.test(info);
  return { name: title.replace(/\.m?[jt]s$/, ""), code, line, runs, prints };
}

const TSC = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");

const CONFIG = {
  compilerOptions: {
    target: "es2022",
    lib: ["es2023", "esnext.disposable"],
    module: "nodenext",
    moduleResolution: "nodenext",
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true,
    types: ["node"],
    typeRoots: [join(ROOT, "node_modules/@types")],
  },
  include: ["*.mts"],
};

/** A user's project with the programs of one page: `flujo` in it is the built package. */
export class Project implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "flujo-docs-"));

  constructor(programs: readonly Program[]) {
    const modules = join(this.folder, "node_modules");
    mkdirSync(modules);
    symlinkSync(ROOT, join(modules, "flujo"), "dir");
    symlinkSync(join(ROOT, "node_modules/zod"), join(modules, "zod"), "dir");
    symlinkSync(join(ROOT, "node_modules/@types"), join(modules, "@types"), "dir"); // what a step on Postgres is given
    writeFileSync(join(this.folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    writeFileSync(join(this.folder, "tsconfig.json"), JSON.stringify(CONFIG));
    // The same text twice: the compiler reads ./order.mts where a program imports ./order.mjs, and Node runs the latter.
    for (const { name, code } of programs)
      for (const suffix of ["mts", "mjs"]) writeFileSync(join(this.folder, `${name}.${suffix}`), code);
  }

  /** What the compiler says. */
  compile(): string {
    return this.#node([TSC, "-p", ".", "--pretty", "false"]).stdout;
  }

  run({ name }: Program): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
    return this.#node([`${name}.mjs`]);
  }

  #node(args: readonly string[]): SpawnSyncReturns<string> {
    const { FLUJO_STATE_URI: _uri, FLUJO_CONFIG: _config, ...env } = process.env;
    return spawnSync(process.execPath, args, { cwd: this.folder, env, encoding: "utf8", timeout: 15_000 });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
