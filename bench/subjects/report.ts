import { readFileSync } from "node:fs";
import { report } from "../peers/closed-loop.mjs";

/** Prints the line of a flujo process, under the version in the package's manifest. */
export function reportFlujo(settings: object, figures: object): void {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const version =
    typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : undefined;
  report({ name: "flujo", version, settings }, figures);
}
