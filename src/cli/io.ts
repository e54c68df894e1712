/** Everything the command line touches outside itself, so that tests can be its world. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Input;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly now: () => number;
  /** Calls back for each SIGINT and SIGTERM until the returned function is called. */
  readonly onSignal: (callback: (signal: StopSignal) => void) => () => void;
  /** Loads a file of the user's by its absolute path. */
  readonly importModule: (file: string) => Promise<unknown>;
}

export type StopSignal = "SIGINT" | "SIGTERM";

export interface Output {
  readonly isTTY: boolean;
  readonly columns: number;
  write(text: string): void;
}

export interface Input {
  readonly isTTY: boolean;
  /** All of it. */
  read(): Promise<string>;
  /** One line typed by a person; undefined at the end of input, or when `signal` says stop. */
  ask(prompt: string, signal: AbortSignal): Promise<string | undefined>;
}
