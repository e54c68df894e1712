import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { GUESTS, presenceOf, requiredGuests } from "./requires.ts";

const absent = async (): Promise<boolean> => false;
const present = async (): Promise<boolean> => true;

describe("FLUJO_TEST_REQUIRE", () => {
  it.each([
    [undefined, []],
    ["", []],
    ["postgres", ["postgres"]],
    [" postgres, redis ,", ["postgres", "redis"]],
  ])("reads %j as %j", (list, names) => {
    // An explicit empty text stands for the absent variable, so that the machine's own setting does not matter.
    expect(requiredGuests(list ?? "")).toEqual(names);
  });

  it.each(["postgre", "redis,mysql", "toString"])("refuses the unknown name in %j", (list) => {
    expect(() => requiredGuests(list)).toThrow(/which no test knows. Known: postgres, redis, ai-sdk/);
  });
});

describe("a guest's suite", () => {
  it("runs when the server answers", async () => {
    expect(await presenceOf("redis", present, [])).toEqual({ run: true });
  });

  it("is skipped with a reason that says how to start the server", async () => {
    const presence = await presenceOf("redis", absent, []);
    expect(presence).toMatchObject({ run: false, reason: expect.stringMatching(/docker run .*FLUJO_TEST_REDIS_URL/) });
  });

  it("is skipped with a reason that says how to install the packages", async () => {
    const presence = await presenceOf("ai-sdk", absent, []);
    expect(presence).toMatchObject({ run: false, reason: expect.stringContaining("npm ci --prefix test/ai-sdk") });
  });

  it("fails when the server is required and does not answer", async () => {
    await expect(presenceOf("redis", absent, ["redis"])).rejects.toThrow(/redis does not answer; start it with/);
  });

  it("exists where the table says so", () => {
    const files = Object.values(GUESTS).map((guest) => guest.suite);
    const missing = files.filter((file) => !existsSync(fileURLToPath(new URL(`../../${file}`, import.meta.url))));
    expect(missing).toEqual([]);
  });
});
