import { describe, expect, it } from "vitest";
import { openStore, withoutSecrets } from "../../src/runner/open-store.ts";
import { ownParameters } from "../../src/runner/store-uri.ts";

describe("the URI of a store", () => {
  it.each([
    ["postgres://u:p@h/d", {}, "postgres://u:p@h/d"],
    ["postgres://u:p@h/d?a=true&b=5", { a: true, b: 5 }, "postgres://u:p@h/d"],
    ["postgres://h/d?b=5&sslmode=require&c=x%20y", { b: 5, c: "x y" }, "postgres://h/d?sslmode=require"],
    ["postgres://u:what?b=1@h/d?b=2", { b: 2 }, "postgres://u:what?b=1@h/d"],
  ])("%s gives flujo what is its own, and the driver the rest", (uri, own, rest) => {
    const flags = { a: "flag", b: "count", c: "text" } as const;
    expect(ownParameters(uri, flags)).toEqual({ own, rest });
  });

  it.each([
    ["postgres://ann:secret@h:1/d?schema=x", "postgres://***@h:1/d?schema=x"],
    ["redis://:se/cr@et@a:1,b:2/0", "redis://***@a:1,b:2/0"],
    ["mongodb://h/d?tlsCertificateKeyFilePassword=secret&x=1", "mongodb://h/d?tlsCertificateKeyFilePassword=***&x=1"],
    ["sqlite:./flujo.db", "sqlite:./flujo.db"],
  ])("%s is shown without its secrets", (uri, shown) => {
    expect(withoutSecrets(uri)).toBe(shown);
  });

  it.each([
    ["postgres://u:secret@127.0.0.1:1/d?connectTimeoutMs=200", "STORE_UNAVAILABLE"],
    ["redis://:secret@127.0.0.1:1?connectTimeoutMs=200", "STORE_UNAVAILABLE"],
    ["mongodb://u:secret@127.0.0.1:1/?serverSelectionTimeoutMs=200", "STORE_UNAVAILABLE"],
    ["postgres://u:secret@h/d?pooler=perhaps", "STORE_URI_INVALID"],
    ["redis://:secret@127.0.0.1:1?cluster=true&connectTimeoutMs=200", "STORE_UNAVAILABLE"],
    ["redis://:se,cret@127.0.0.1:1,127.0.0.1:2?connectTimeoutMs=200", "STORE_UNAVAILABLE"],
    ["redis://:secret@h,h:x", "STORE_URI_INVALID"],
    ["redis://:sec%ret@h,h", "STORE_URI_INVALID"],
    ["redis://:secret@h,h/3", "STORE_URI_INVALID"],
    ["redis://:secret@h,h?partitions=0", "OPTION_INVALID"],
    ["redis://:secret@h?partitions=8", "STORE_URI_INVALID"],
    ["nats://u:secret@h", "STORE_URI_INVALID"],
  ])("%s that leads nowhere is refused without saying a secret", async (uri, code) => {
    const refused: unknown = await openStore(uri).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ code });
    expect(String(refused)).not.toContain("secret");
  });
});
