import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Config, loadConfig } from "../config/load.ts";
import { resolveStateUri, sqliteFile } from "../config/sqlite-path.ts";
import type { Definition } from "../definition/definition.ts";
import { Flujo } from "../runner/flujo.ts";
import type { FlujoOptions } from "../runner/options.ts";
import { type Colors, colorsFor } from "./colors.ts";
import { Interrupts } from "./interrupts.ts";
import type { Io } from "./io.ts";

/** Options that every command has. */
export interface Common {
  readonly store?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

const SLOW_MS = 1_000;

/** What a command works with: where to print, which store, which flows; closes what it opened. */
export class Shell implements AsyncDisposable {
  readonly io: Io;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly interrupts: Interrupts;
  readonly #store: string | undefined;
  readonly #opened: Flujo[] = [];
  #config: Promise<Config> | undefined;

  constructor(io: Io, { store, json = false, verbose = false }: Common) {
    this.io = io;
    this.json = json;
    this.verbose = verbose || isSet(io.env["FLUJO_DEBUG"]);
    this.#store = store;
    this.interrupts = new Interrupts(io);
  }

  /** Colours for stdout, or for stderr: only on a terminal, and never against NO_COLOR. */
  get colors(): Colors {
    return colorsFor(this.io, this.io.stdout);
  }

  get noteColors(): Colors {
    return colorsFor(this.io, this.io.stderr);
  }

  /** The result, on stdout: one JSON value with `--json`, else text. */
  result(json: unknown, text: () => string): void {
    if (this.json) return this.io.stdout.write(`${JSON.stringify(json)}\n`);
    const said = text();
    if (said !== "") this.io.stdout.write(said.endsWith("\n") ? said : `${said}\n`);
  }

  /** Everything else, on stderr. */
  note(text: string): void {
    this.io.stderr.write(`${text}\n`);
  }

  async config(): Promise<Config> {
    this.#config ??= loadConfig(this.io).then((config) => {
      for (const warning of config.warnings) this.note(`${this.noteColors.yellow("warning:")} ${warning}`);
      return config;
    });
    return this.#config;
  }

  /** The store to use, relative files seen from here, and what named it. */
  async store(): Promise<{ readonly uri: string; readonly source: string }> {
    const config = await this.config(); // read also when --store is given: its mistakes are mistakes
    const { stateUri, source } = this.#store === undefined ? config : { stateUri: this.#store, source: "--store" };
    return { uri: resolveStateUri(stateUri, this.io.cwd), source };
  }

  /** A Flujo that only looks, answers and signals. A database that does not exist is not created by looking: it is empty. */
  async look(flows: readonly Definition[] = []): Promise<Flujo> {
    const { uri, source } = await this.store();
    const exists = await this.exists();
    if (!exists) this.note(`note: there is no database ${sqliteFile(uri)} yet (named by ${source})`);
    return this.#open({ store: exists ? uri : "memory:", flows, worker: false });
  }

  /** Whether there is a database, as far as that can be seen without opening it. */
  async exists(): Promise<boolean> {
    const file = sqliteFile((await this.store()).uri);
    return file === undefined || existsSync(file);
  }

  /** A Flujo that works, under the rules of queues that flujo.toml gives. */
  async work(options: Omit<FlujoOptions, "store" | "queues">): Promise<Flujo> {
    const { uri } = await this.store();
    const { queues } = await this.config();
    return this.#open({ ...options, queues, store: uri });
  }

  file(path: string): string {
    return resolve(this.io.cwd, path);
  }

  /** Waits, and says what for when it takes longer than a second. */
  async slowly<T>(what: string, work: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.note(`${what}…`), SLOW_MS);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const flujo of this.#opened) await flujo.close();
    } finally {
      this.interrupts.close();
    }
  }

  async #open(options: FlujoOptions): Promise<Flujo> {
    const flujo = new Flujo(options);
    this.#opened.push(flujo);
    return this.slowly("opening the store", flujo.open());
  }
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== "" && value !== "0";
