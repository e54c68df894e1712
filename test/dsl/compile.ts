import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const packageFile = createRequire(import.meta.url).resolve("typescript/package.json");
const { bin } = createRequire(import.meta.url)(packageFile) as { readonly bin: { readonly tsc: string } };
const tsc = join(dirname(packageFile), bin.tsc);

const OPTIONS = [
  "--ignoreConfig --strict --target es2022 --lib es2023,esnext.disposable --module nodenext --moduleResolution nodenext",
  "--skipLibCheck --exactOptionalPropertyTypes --noUncheckedIndexedAccess --types node",
].flatMap((line) => line.split(" "));

export interface Compiled {
  readonly instantiations: number;
  /** What the compiler says of each program, by name. */
  readonly messages: ReadonlyMap<string, string>;
}

/** A folder with the declarations of the DSL, as a package would publish them, and programs written against them. */
export class Workspace implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "flujo-types-"));

  constructor() {
    symlinkSync(join(repository, "node_modules"), join(this.folder, "node_modules"));
    writeFileSync(join(this.folder, "package.json"), `{"type":"module"}`);
    const entries = ["dsl/flow", "dsl/step", "dsl/builder", "dsl/flow-type", "agents/agent", "agents/tool"].map(
      (name) => join(repository, `src/${name}.ts`),
    );
    const emit = ["--declaration", "--emitDeclarationOnly", "--rewriteRelativeImportExtensions"];
    const failed = this.#tsc([
      ...emit,
      "--rootDir",
      join(repository, "src"),
      "--outDir",
      join(this.folder, "out"),
      ...entries,
    ]);
    if (failed !== "") throw new Error(failed);
  }

  /** Compiles programs together; each may import "./out/dsl/flow.js" and any package. */
  compile(programs: Readonly<Record<string, string>>): Compiled {
    const files = Object.entries(programs).map(([name, text]) => {
      const file = join(this.folder, `${name}.ts`);
      writeFileSync(file, text);
      return file;
    });
    const out = this.#tsc(["--noEmit", "--extendedDiagnostics", "--singleThreaded", "--pretty", "false", ...files]);
    const instantiations = /^Instantiations:\s+(\d+)/m.exec(out)?.[1];
    if (instantiations === undefined) throw new Error(`the compiler printed no instantiations:\n${out}`);
    const messages = new Map(Object.keys(programs).map((name) => [name, messagesOf(name, out)]));
    return { instantiations: Number(instantiations), messages };
  }

  #tsc(args: readonly string[]): string {
    const roots = ["--typeRoots", join(repository, "node_modules/@types")];
    const result = spawnSync(process.execPath, [tsc, ...OPTIONS, ...roots, ...args], {
      cwd: this.folder,
      encoding: "utf8",
    });
    if (result.error) throw result.error;
    return result.stdout;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The lines that begin with the file's name, each with the indented lines below it. */
function messagesOf(name: string, out: string): string {
  const blocks = out.split(/\n(?=\S)/);
  return blocks.filter((block) => new RegExp(`^(\\S*/)?${name}\\.ts\\(`).test(block)).join("\n");
}
