/**
 * Servers that tests can use. Without the server its tests are skipped, with a reason that says how to start it;
 * `FLUJO_TEST_REQUIRE=postgres,redis` turns the missing server into a failure, which is what CI wants.
 */
interface Server {
  /** Where the tests look for it, unless the variable says otherwise. */
  readonly variable: string;
  readonly start: string;
  /** The test file that holds its store to the contract: requiring a server that nothing uses would prove nothing. */
  readonly suite: string;
}

export const SERVERS: Readonly<Record<string, Server>> = {
  postgres: {
    variable: "FLUJO_TEST_POSTGRES_URL",
    start: "docker run --rm -e POSTGRES_PASSWORD=flujo -p 5432:5432 postgres:17",
    suite: "test/stores/postgres.test.ts",
  },
  redis: {
    variable: "FLUJO_TEST_REDIS_URL",
    start: "docker run --rm -p 6379:6379 redis:8 redis-server --appendonly yes",
    suite: "test/stores/redis.test.ts",
  },
};

export type Presence = { readonly run: true } | { readonly run: false; readonly reason: string };

/** The names in FLUJO_TEST_REQUIRE. An unknown name is an error: a misspelt requirement would prove nothing. */
export function requiredServers(list: string | undefined = process.env["FLUJO_TEST_REQUIRE"]): string[] {
  const names = (list ?? "").split(",").map((name) => name.trim());
  const given = names.filter((name) => name !== "");
  const unknown = given.filter((name) => !Object.hasOwn(SERVERS, name));
  if (unknown.length === 0) return given;
  const known = Object.keys(SERVERS).join(", ");
  throw new Error(`FLUJO_TEST_REQUIRE names ${unknown.join(", ")}, which no test knows. Known: ${known}.`);
}

/**
 * Whether the suite of a server runs. Use it as `describe.skipIf(!presence.run)` and show `presence.reason` in the
 * title, so that a skip is read and not guessed. Throws when the server is required and does not answer.
 */
export async function presenceOf(
  name: string,
  answers: () => Promise<boolean>,
  required: readonly string[] = requiredServers(),
): Promise<Presence> {
  const server = SERVERS[name];
  if (server === undefined) throw new Error(`There is no server called ${name} in test/setup/requires.ts.`);
  if (await answers()) return { run: true };
  const reason = `${name} does not answer; start it with \`${server.start}\` or set ${server.variable}`;
  if (required.includes(name)) throw new Error(`FLUJO_TEST_REQUIRE: ${reason}`);
  return { run: false, reason: `skipped: ${reason}` };
}
