import { createServer } from "node:net";
import { expect, it } from "vitest";
import { Pool } from "pg";
import { Database } from "../../src/stores/postgres/database.ts";
import { PROFILES } from "../../src/stores/postgres/flags.ts";

/** A message of the server: its kind, its length, its body. */
function said(kind: string, ...body: readonly Buffer[]): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(4 + body.reduce((sum, piece) => sum + piece.length, 0));
  return Buffer.concat([Buffer.from(kind), length, ...body]);
}

const WELCOME = said("R", Buffer.alloc(4));
const READY = said("Z", Buffer.from("I"));
const ENDED = said("E", Buffer.from("SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"));

it("says that Postgres is away when it ends a connection in the same breath in which it opens it", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(Buffer.concat([WELCOME, READY, ENDED])));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const pool = new Pool({ connectionString: `postgres://nobody@127.0.0.1:${port}/none` });
    const rest = { schema: "flujo", statementTimeoutMs: 1_000, where: "Postgres" };
    const database = new Database({ pool, owned: true, flags: PROFILES.postgres, ...rest });
    await expect(database.transaction(async () => 1)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await database.close();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});
