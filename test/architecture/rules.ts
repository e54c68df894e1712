import { posix } from "node:path";
import { MAY_IMPORT, PUBLIC_NAMES, PURE, PURE_EXCEPTION } from "./layers.ts";
import { type ImportedModule, lineOf, readSource, type SourceText } from "./source-text.ts";

/** A file as the rules see it: its path from the root of the repository, with slashes, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

interface Subject extends SourceFile, SourceText {
  readonly layer: string | undefined;
}

type Rule = (file: Subject) => string[];

/** Every violation in one file, each as `path:line: what is wrong`. */
export function violations(file: SourceFile): string[] {
  const subject: Subject = { ...file, ...readSource(file.text), layer: layerOf(file.path) };
  const isTest = /\.test(-d)?\.ts$/.test(file.path) || file.path.startsWith("test/");
  if (file.path.startsWith("examples/")) return run(subject, [importsPublicNames, lineLimit(400)]);
  if (isTest) return run(subject, [lineLimit(600), namedForContent]);
  if (!file.path.startsWith("src/")) return run(subject, [lineLimit(400), namedForContent]);
  return run(subject, [
    knownLayer,
    importsFollowTable,
    storesStayApart,
    pureImports,
    pureCode,
    readsEnvironment,
    lineLimit(400),
    namedForContent,
    noDefaultExport,
    noEnum,
  ]);
}

function run(file: Subject, rules: readonly Rule[]): string[] {
  return rules.flatMap((rule) => rule(file));
}

/** The folder below src/, or `entry` for the public doors in src/ itself. */
function layerOf(path: string): string | undefined {
  const [root, layer, ...rest] = path.split("/");
  if (root !== "src" || layer === undefined) return undefined;
  return rest.length === 0 ? "entry" : layer;
}

const knownLayer: Rule = (file) => {
  if (file.layer === "entry" || (file.layer !== undefined && Object.hasOwn(MAY_IMPORT, file.layer))) return [];
  return [`${file.path}:1: src/${file.layer} is not in the import table; add it to test/architecture/layers.ts`];
};

const importsFollowTable: Rule = (file) => {
  if (file.layer === "entry") return [];
  const allowed = [file.layer, ...(MAY_IMPORT[file.layer ?? ""] ?? [])];
  return file.imports.flatMap((module) => {
    const { specifier } = module;
    if (specifier === "flujo" || specifier.startsWith("flujo/")) {
      return [at(file, module, `the source must not import itself by its public name "${specifier}"`)];
    }
    if (!specifier.startsWith(".")) return [];
    const target = resolve(file.path, specifier);
    if (!target.startsWith("src/")) return [at(file, module, `"${specifier}" leaves src/`)];
    if (!specifier.endsWith(".ts")) return [at(file, module, `"${specifier}" lacks its .ts suffix`)];
    const layer = layerOf(target);
    return allowed.includes(layer) ? [] : [at(file, module, `${file.layer} may not import ${layer} ("${specifier}")`)];
  });
};

const storesStayApart: Rule = (file) => {
  if (file.layer !== "stores") return [];
  return file.imports.flatMap((module) => {
    if (!module.specifier.startsWith(".")) return [];
    const target = storeOf(resolve(file.path, module.specifier));
    if (target === undefined || target === storeOf(file.path)) return [];
    return [at(file, module, `a store may not import another store ("${module.specifier}")`)];
  });
};

/** `sqlite` for src/stores/sqlite/…; nothing for what all stores share, directly in src/stores/. */
function storeOf(path: string): string | undefined {
  return path.match(/^src\/stores\/([^/]+)\//)?.[1];
}

const pureImports: Rule = (file) => {
  if (!PURE.includes(file.layer ?? "")) return [];
  return file.imports.flatMap((module) => {
    if (module.specifier.startsWith(".")) return [];
    const { packageName } = PURE_EXCEPTION;
    const excepted = file.path === PURE_EXCEPTION.file && module.specifier === packageName && module.typeOnly;
    return excepted ? [] : [at(file, module, `${file.layer} is pure and may not import "${module.specifier}"`)];
  });
};

const IMPURE: Readonly<Record<string, RegExp>> = {
  "Date.now": /(?<![\w$.])Date\s*\.\s*now\b/g,
  "new Date()": /\bnew\s+Date\b\s*(?:\(\s*\)|(?!\s*\())/g,
  "Date()": /(?<![\w$.]|\bnew\s)\bDate\s*\(/g,
  "Math.random": /(?<![\w$.])Math\s*\.\s*random\b/g,
  process: /(?<![\w$.])process\s*(?:\?\.|\.|\[)/g,
  timers: /(?<![\w$.])(?:setTimeout|setInterval|setImmediate|queueMicrotask)\s*\(/g,
  "performance.now": /(?<![\w$.])performance\s*\.\s*now\b/g,
  randomness: /(?<![\w$.])crypto\s*\.\s*(?:randomUUID|getRandomValues)\b/g,
  fetch: /(?<![\w$.])fetch\s*\(/g,
  globalThis: /(?<![\w$.])globalThis\b/g,
  "a computed import": /(?<![\w$.])import\s*\(\s*[^"'`\s]/g,
};

const pureCode: Rule = (file) => {
  if (!PURE.includes(file.layer ?? "")) return [];
  return Object.entries(IMPURE).flatMap(([name, pattern]) =>
    matches(file, pattern, `${file.layer} is pure and may not use ${name}; take it as an argument`),
  );
};

const readsEnvironment: Rule = (file) => {
  if (file.layer === "config" || file.layer === "cli") return [];
  const pattern = /(?<![\w$])process\s*\??\s*\.\s*env\b|\benv\b[^;]*\}\s*from\s*"(?= {12}")/g;
  return matches(file, pattern, "process.env is read in src/config and src/cli only");
};

const namedForContent: Rule = (file) => {
  const bad = file.path.split("/").find((part) => /^(utils?|helpers?|common|misc|types)(\.|$)/.test(part));
  return bad === undefined ? [] : [`${file.path}:1: "${bad}" does not say what is inside`];
};

const noDefaultExport: Rule = (file) =>
  matches(file, /\bexport\s+default\b|\bas\s+default\b/g, "no default exports: names are searched for");

const noEnum: Rule = (file) =>
  matches(file, /(?<![\w$.])enum\s+[\w$]+\s*\{/g, "no enum: a union of strings is erasable and is data");

const importsPublicNames: Rule = (file) =>
  file.imports.flatMap((module) => {
    const { specifier } = module;
    const own = specifier.startsWith(".") && resolve(file.path, specifier).startsWith("examples/");
    if (own || PUBLIC_NAMES.includes(specifier)) return [];
    if (!specifier.startsWith(".") && !/^flujo(\/|$)/.test(specifier)) return [];
    return [at(file, module, `examples import only ${PUBLIC_NAMES.join(", ")} ("${specifier}")`)];
  });

function lineLimit(limit: number): Rule {
  return (file) => {
    const lines = file.text.trimEnd().split("\n").length;
    return lines <= limit ? [] : [`${file.path}:${lines}: ${lines} lines, ${limit} at most`];
  };
}

function resolve(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}

function at(file: Subject, module: ImportedModule, message: string): string {
  return `${file.path}:${module.line}: ${message}`;
}

function matches(file: Subject, pattern: RegExp, message: string): string[] {
  return [...file.code.matchAll(pattern)].map((m) => `${file.path}:${lineOf(file.code, m.index)}: ${message}`);
}
