/**
 * What tests can use when it is there: servers, packages that are not part of the root install. Without it its tests are skipped,
 * with a reason that says how to get it; `FLUJO_TEST_REQUIRE=postgres,redis` turns its absence into a failure, which is what CI wants.
 */
interface Guest {
  /** What is missing, and how to get it. */
  readonly missing: string;
  /** The test file that needs it: requiring what nothing uses would prove nothing. */
  readonly suite: string;
}

export const GUESTS: Readonly<Record<string, Guest>> = {
  postgres: {
    missing:
      "postgres does not answer; start it with `docker run --rm -e POSTGRES_PASSWORD=flujo -p 5432:5432 postgres:17` or set FLUJO_TEST_POSTGRES_URL",
    suite: "test/stores/postgres.test.ts",
  },
  redis: {
    missing:
      "redis does not answer; start it with `docker run --rm -p 6379:6379 redis:8 redis-server --appendonly yes` or set FLUJO_TEST_REDIS_URL",
    suite: "test/stores/redis.test.ts",
  },
  "ai-sdk": {
    missing: "ai-sdk is not installed; run `npm ci --prefix test/ai-sdk --engine-strict=false`",
    suite: "test/ai-sdk/adapter.test.ts",
  },
};

export type Presence = { readonly run: true } | { readonly run: false; readonly reason: string };

/** The names in FLUJO_TEST_REQUIRE. An unknown name is an error: a misspelt requirement would prove nothing. */
export function requiredGuests(list: string | undefined = process.env["FLUJO_TEST_REQUIRE"]): string[] {
  const names = (list ?? "").split(",").map((name) => name.trim());
  const given = names.filter((name) => name !== "");
  const unknown = given.filter((name) => !Object.hasOwn(GUESTS, name));
  if (unknown.length === 0) return given;
  const known = Object.keys(GUESTS).join(", ");
  throw new Error(`FLUJO_TEST_REQUIRE names ${unknown.join(", ")}, which no test knows. Known: ${known}.`);
}

/**
 * Whether the suite of a guest runs. Use it as `describe.skipIf(!presence.run)` and show `presence.reason` in the
 * title, so that a skip is read and not guessed. Throws when the guest is required and not there.
 */
export async function presenceOf(
  name: string,
  isThere: () => Promise<boolean>,
  required: readonly string[] = requiredGuests(),
): Promise<Presence> {
  const guest = GUESTS[name];
  if (guest === undefined) throw new Error(`There is no ${name} in test/setup/requires.ts.`);
  if (await isThere()) return { run: true };
  if (required.includes(name)) throw new Error(`FLUJO_TEST_REQUIRE: ${guest.missing}`);
  return { run: false, reason: `skipped: ${guest.missing}` };
}
