// Effect: a workflow of activities on ClusterWorkflowEngine with one runner, mailbox and replies in Postgres.
import * as PgClient from "@effect/sql-pg/PgClient";
import { Effect, Layer, Redacted, Schema } from "effect";
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine";
import * as SingleRunner from "effect/cluster/SingleRunner";
import * as Digest from "effect/crypto/Digest";
import * as Activity from "effect/workflow/Activity";
import * as Workflow from "effect/workflow/Workflow";
import { arguments_, STEPS_PER_RUN, assertOutput, closedLoop, report, versionOf } from "./closed-loop.mjs";
import { scratchDatabase } from "./scratch-server.mjs";

const POOL_SIZE = 20;

const Chain = Workflow.make("Chain", {
  payload: { id: Schema.String },
  success: Schema.Number,
  idempotencyKey: ({ id }) => id,
});

const ChainLayer = Chain.toLayer(
  Effect.fnUntraced(function* () {
    let x = 0;
    for (let i = 0; i < STEPS_PER_RUN; i++) {
      const before = x;
      x = yield* Activity.make({ name: `s${i}`, success: Schema.Number, execute: Effect.sync(() => before + 1) });
    }
    return x;
  }),
);

const scratch = await scratchDatabase(arguments_.url);
try {
  const engine = ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(SingleRunner.layer()),
    Layer.provideMerge(Digest.layerWebCrypto),
    Layer.provideMerge(PgClient.layer({ url: Redacted.make(scratch.url), maxConnections: POOL_SIZE })),
  );
  const program = Effect.gen(function* () {
    const context = yield* Effect.context();
    const runPromise = Effect.runPromiseWith(context);
    let next = 0;
    return yield* Effect.promise(() =>
      closedLoop(async () => {
        assertOutput(await runPromise(Chain.execute({ id: `run-${next++}` })), STEPS_PER_RUN);
      }),
    );
  });
  const figures = await Effect.runPromise(program.pipe(Effect.provide(ChainLayer.pipe(Layer.provideMerge(engine)))));
  report(
    {
      name: "Effect workflow (Postgres)",
      version: versionOf("effect"),
      settings: { store: `@effect/sql-pg ${versionOf("@effect/sql-pg")}`, pool: POOL_SIZE, fsync: "every commit" },
    },
    figures,
  );
} finally {
  await scratch.dispose();
}
