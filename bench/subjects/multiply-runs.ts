// Copies every run of a Postgres store, with all rows of all tables that belong to it, under ids of their own.
//
// It knows nothing of the tables but what Postgres says of them: a row belongs to a run when one of its columns holds the run's
// id. In a copy the id is another one, and instants lie a millisecond apart, as those of runs do that came one after another.
// Nothing else differs, so the copies are what the store itself would have written.

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
}

type Client = import("pg").Client;

const ID_DIGITS = 12;

export async function multiplyRuns(url: string, copies: number): Promise<void> {
  await using client = await connect(url);
  const columns = await columnsOf(client);
  const runs = await client.query<{ id: string }>("SELECT id FROM flujo.runs");
  // One connection each: one alone is one core of the server.
  await Promise.all(runs.rows.map(({ id }) => multiplyRun(url, { columns, run: id, copies })));
  await client.query("VACUUM (ANALYZE)"); // as autovacuum would have by the time there are so many
  await client.query("CHECKPOINT"); // as the checkpointer would have
}

interface Copying {
  readonly columns: readonly Column[];
  readonly run: string;
  readonly copies: number;
}

async function multiplyRun(url: string, { columns, run, copies }: Copying): Promise<void> {
  await using client = await connect(url);
  for (const table of new Set(columns.map((column) => column.table))) {
    const ofTable = columns.filter((column) => column.table === table);
    await multiplyRows(client, table, { columns: ofTable, run, copies });
  }
}

async function connect(url: string): Promise<Client & AsyncDisposable> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

async function columnsOf(client: Client): Promise<readonly Column[]> {
  const { rows } = await client.query<Column>(`
    SELECT table_name AS table, column_name AS name, data_type AS type
    FROM information_schema.columns
    WHERE table_schema = 'flujo'
    ORDER BY table_name, ordinal_position`);
  return rows;
}

async function multiplyRows(client: Client, table: string, { columns, run, copies }: Copying): Promise<void> {
  const naming = columns.filter(({ type }) => type === "text").map(({ name }) => `row.${quoted(name)} = $1`);
  if (naming.length === 0) return;
  const names = columns.map(({ name }) => quoted(name)).join(", ");
  const values = columns.map(copied).join(", ");
  await client.query(
    `INSERT INTO flujo.${quoted(table)} (${names})
     SELECT ${values}
     FROM (SELECT * FROM flujo.${quoted(table)} AS row WHERE ${naming.join(" OR ")}) AS row, generate_series(1, $2::int) AS n`,
    [run, copies],
  );
}

function copied({ name, type }: Column): string {
  const column = `row.${quoted(name)}`;
  if (type === "text") {
    const id = `left($1, -${ID_DIGITS}) || lpad(to_hex(n), ${ID_DIGITS}, '0')`;
    return `CASE WHEN strpos(${column}, $1) > 0 THEN replace(${column}, $1, ${id}) ELSE ${column} END`;
  }
  return type === "double precision" && /(^|_)at$/.test(name) ? `${column} - n` : column;
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
