// A place of its own for each that is measured, so that no engine finds the rows of another.
import { randomBytes } from "node:crypto";

const SCAN_COUNT = 1000;

const uniqueName = () => `bench_${process.pid}_${randomBytes(3).toString("hex")}`;

/** A fresh database on the Postgres at `url`; `dispose` drops it. */
export async function scratchDatabase(url) {
  const server = given(url);
  const name = uniqueName();
  await administer(server, `CREATE DATABASE ${name}`);
  const database = new URL(server);
  database.pathname = `/${name}`;
  return { url: database.href, dispose: () => administer(server, `DROP DATABASE ${name} WITH (FORCE)`) };
}

function given(url) {
  if (url === undefined) throw new RangeError("--url must name a server");
  return url;
}

async function administer(server, statement) {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A fresh key prefix on the Redis at `url`; `dispose` deletes what has been written under it. */
export async function scratchPrefix(url) {
  const server = given(url);
  const prefix = uniqueName();
  return { url: server, prefix, dispose: () => deleteKeys(server, prefix) };
}

async function deleteKeys(server, prefix) {
  const { Redis } = await import("ioredis");
  const client = new Redis(server);
  try {
    // Braces: a prefix may be a hash tag. A page of an empty scan is still a page: only the cursor says when it is over.
    for await (const keys of client.scanStream({ match: `*${prefix}*`, count: SCAN_COUNT })) {
      if (keys.length > 0) await client.unlink(...keys);
    }
  } finally {
    client.disconnect();
  }
}
