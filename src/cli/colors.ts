import picocolors from "picocolors";
import type { Io, Output } from "./io.ts";

export type Colors = ReturnType<typeof picocolors.createColors>;

/** Colours only on a terminal that can show them, and never against NO_COLOR. */
export function colorsFor({ env }: Pick<Io, "env">, { isTTY }: Output): Colors {
  return picocolors.createColors(isTTY && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb");
}
