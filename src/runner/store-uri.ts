import { FlujoError } from "../domain/errors.ts";

type Kind = "text" | "count" | "flag";
type ValueOf<K extends Kind> = K extends "text" ? string : K extends "count" ? number : boolean;

type Own<Known extends Readonly<Record<string, Kind>>> = { readonly [Name in keyof Known]?: ValueOf<Known[Name]> };

/**
 * Takes the parameters that are flujo's own out of a URI: what is left belongs to the driver. The rest of the URI is not parsed: a
 * password may hold what no parser takes. Throws STORE_URI_INVALID, without saying what else the URI holds.
 */
export function ownParameters<Known extends Readonly<Record<string, Kind>>>(
  uri: string,
  known: Known,
): { readonly own: Own<Known>; readonly rest: string } {
  const at = uri.indexOf("?", uri.lastIndexOf("@") + 1);
  if (at < 0) return { own: {}, rest: uri };
  const others: string[] = [];
  const own: Record<string, string | number | boolean> = {};
  for (const part of uri.slice(at + 1).split("&")) {
    const [[name = "", value = ""] = []] = new URLSearchParams(part);
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) others.push(part);
    else own[name] = valueOf(name, kind, value);
  }
  const kept = others.filter((part) => part !== "");
  const rest = `${uri.slice(0, at)}${kept.length === 0 ? "" : `?${kept.join("&")}`}`;
  return { own: own as Own<Known>, rest };
}

function valueOf(name: string, kind: Kind, value: string): string | number | boolean {
  const refuse = (expected: string): never => {
    throw new FlujoError("STORE_URI_INVALID", `${name}: expected ${expected} but found ${JSON.stringify(value)}`);
  };
  switch (kind) {
    case "text":
      return value === "" ? refuse("text") : value;
    case "count":
      return /^\d{1,9}$/.test(value) ? Number(value) : refuse("a whole number");
    case "flag":
      return value === "true" ? true : value === "false" ? false : refuse("true or false");
  }
}
