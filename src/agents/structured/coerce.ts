import type { Wire } from "../../domain/wire.ts";
import {
  conforms,
  itemSchema,
  listedValues,
  type Located,
  propertySchema,
  requiredKeys,
  resolved,
  schemasUnder,
  typesOf,
  hasType,
} from "./conform.ts";
import { bareSpelling, type Conversion, spelledAlike } from "./conversions.ts";
import { isList, isRecord, type JsonRecord, unheldDigits } from "./json-text.ts";
import { converted, foldedCase } from "./scalars.ts";

export interface Coerced {
  readonly value: Wire;
  /** What was done, each as `str->int $.age`, in the order of the schema's walk. */
  readonly transforms: readonly string[];
}

/**
 * Bends a value towards its schema with the conversions allowed. What no conversion fits stays as it is, and validation says
 * what is wrong with it. A value that fits already is never touched.
 */
export function coerce(value: Wire, located: Located, allowed: ReadonlySet<Conversion>): Coerced {
  if (allowed.size === 0 || conforms(value, located)) return { value, transforms: [] };
  const coercion = new Coercion(allowed);
  const bent = coercion.walk(value, located, "$");
  return { value: bent, transforms: coercion.transforms };
}

class Coercion {
  readonly transforms: string[] = [];
  readonly #allowed: ReadonlySet<Conversion>;

  constructor(allowed: ReadonlySet<Conversion>) {
    this.#allowed = allowed;
  }

  walk(value: Wire, located: Located, path: string): Wire {
    const here = resolved(located);
    if (here === undefined) return value;
    const whole = schemasUnder(here, "allOf").reduce((bent, one) => this.walk(bent, one, path), value);
    const branches = [...schemasUnder(here, "anyOf"), ...schemasUnder(here, "oneOf")];
    const chosen = branches.length === 0 ? whole : this.#alternative(whole, branches, path);
    const listed = listedValues(here);
    if (listed !== undefined) return this.#listed(chosen, listed, path);
    return this.#children(this.#typed(chosen, here, path), here, path);
  }

  #note(conversion: Conversion | `any-of:${number}`, path: string): void {
    this.transforms.push(`${conversion} ${path}`);
  }

  /** Optional by null, or told apart by a constant, is no choice; any other is made in order, and recorded. */
  #alternative(value: Wire, branches: readonly Located[], path: string): Wire {
    if (branches.some((branch) => conforms(value, branch))) return value;
    const real = branches.filter((branch) => !isNullOnly(branch));
    const meant = real.length === 1 ? real : real.filter((branch) => isNamedBy(value, branch));
    const only = meant.length === 1 ? meant[0] : undefined;
    if (only === undefined && !this.#allowed.has("any-of")) return value;
    for (const branch of only === undefined ? branches : [only, ...branches]) {
      const attempt = new Coercion(this.#allowed);
      const bent = attempt.walk(value, branch, path);
      if (!conforms(bent, branch)) continue;
      this.transforms.push(...attempt.transforms);
      if (only === undefined) this.#note(`any-of:${branches.indexOf(branch)}`, path);
      return bent;
    }
    return only === undefined ? value : this.walk(value, only, path); // not whole, yet nearer: validation names less
  }

  #listed(value: Wire, listed: readonly Wire[], path: string): Wire {
    if (listed.includes(value) || typeof value === "object") return value;
    const words = listed.filter((one) => typeof one === "string");
    const spellings: readonly (readonly [Conversion, (text: string) => string])[] = [
      ["enum-case", foldedCase],
      ["enum-spelling", bareSpelling],
    ];
    for (const [conversion, spelling] of spellings) {
      const found = typeof value === "string" ? spelledAlike(value, words, spelling) : undefined;
      if (found === undefined || !this.#allowed.has(conversion)) continue;
      this.#note(conversion, path);
      return found;
    }
    for (const one of listed) {
      const step = converted(value, one === null ? "null" : typeof one, this.#allowed);
      if (step === undefined || step.value !== one) continue;
      this.#note(step.conversion, path);
      return one;
    }
    return value;
  }

  #typed(value: Wire, here: Located, path: string): Wire {
    const types = typesOf(here);
    const fits = unheldDigits(value) === undefined && types.some((type) => hasType(value, type));
    if (types.length === 0 || fits) return value;
    for (const type of types) {
      const step = converted(value, type, this.#allowed);
      if (step === undefined) continue;
      this.#note(step.conversion, path);
      return step.value;
    }
    if (types.includes("array")) return this.#wrapped(value, here, path);
    return this.#unwrapped(value, here, path);
  }

  /** One where a list is wanted. Only what fits as an item: anything else is another mistake. */
  #wrapped(value: Wire, here: Located, path: string): Wire {
    const item = itemSchema(here, 0);
    if (value === null || !this.#allowed.has("single->array")) return value;
    const attempt = new Coercion(this.#allowed);
    const bent = item === undefined ? value : attempt.walk(value, item, `${path}[0]`);
    if (item !== undefined && !conforms(bent, item)) return value;
    this.#note("single->array", path);
    this.transforms.push(...attempt.transforms);
    return [bent];
  }

  #unwrapped(value: Wire, here: Located, path: string): Wire {
    const only = isList(value) && value.length === 1 ? value[0] : undefined;
    if (only === undefined || !this.#allowed.has("array->single")) return value;
    const attempt = new Coercion(this.#allowed);
    const bent = attempt.walk(only, here, path);
    if (!conforms(bent, here)) return value;
    this.#note("array->single", path);
    this.transforms.push(...attempt.transforms);
    return bent;
  }

  #children(value: Wire, here: Located, path: string): Wire {
    if (isList(value)) {
      return value.map((item, i) => {
        const schema = itemSchema(here, i);
        return schema === undefined ? item : this.walk(item, schema, `${path}[${i}]`);
      });
    }
    return isRecord(value) ? this.#properties(this.#respelled(value, here, path), here, path) : value;
  }

  #properties(value: JsonRecord, here: Located, path: string): Wire {
    const required = requiredKeys(here);
    const entries: [string, Wire][] = [];
    for (const [key, inner] of Object.entries(value)) {
      const schema = propertySchema(here, key);
      const at = `${path}.${key}`;
      const absent = inner === null && schema !== undefined && !required.includes(key) && !conforms(null, schema);
      if (absent && this.#allowed.has("null->missing")) this.#note("null->missing", at);
      else entries.push([key, schema === undefined ? inner : this.walk(inner, schema, at)]);
    }
    return Object.fromEntries(entries);
  }

  /** Keys in another spelling, where exactly one property is meant and it is not there already. */
  #respelled(value: JsonRecord, { schema }: Located, path: string): JsonRecord {
    const properties = isRecord(schema["properties"]) ? schema["properties"] : undefined;
    if (properties === undefined || !this.#allowed.has("key-spelling")) return value;
    const known = Object.keys(properties);
    const strangers = Object.keys(value).filter((key) => !known.includes(key));
    const missing = known.filter((key) => !Object.hasOwn(value, key));
    const renamed = Object.entries(value).map(([key, inner]): [string, Wire] => {
      const meant = strangers.includes(key) ? spelledAlike(key, missing, bareSpelling) : undefined;
      if (meant === undefined || spelledAlike(meant, strangers, bareSpelling) === undefined) return [key, inner];
      this.#note("key-spelling", `${path}.${meant}`);
      return [meant, inner];
    });
    return Object.fromEntries(renamed);
  }
}

const isNullOnly = (located: Located): boolean => {
  const here = resolved(located);
  return here !== undefined && typesOf(here).every((type) => type === "null") && typesOf(here).length > 0;
};

/** Whether the value carries the constants that tell this alternative from the others. */
function isNamedBy(value: Wire, located: Located): boolean {
  const here = resolved(located);
  const properties = here?.schema["properties"];
  if (!isRecord(value) || !isRecord(properties)) return false;
  const constants = Object.entries(properties).filter(
    ([, schema]) => isRecord(schema) && schema["const"] !== undefined,
  );
  return constants.length > 0 && constants.every(([key, schema]) => isRecord(schema) && value[key] === schema["const"]);
}
