import { flow, scoped } from "flujo";
import { describe, expect, it } from "vitest";
import { listening, lone } from "./bench.ts";

/** A resource that writes down when it is opened and closed. */
function recorded(per: "attempt" | "process" = "attempt") {
  const events: string[] = [];
  let opened = 0;
  const open = async (): Promise<string> => {
    await Promise.resolve();
    opened += 1;
    events.push(`open ${opened}`);
    return `r${opened}`;
  };
  const close = (resource: string, error?: unknown): void =>
    void events.push(`close ${resource} ${error instanceof Error ? error.message : "well"}`);
  return { events, resource: per === "attempt" ? scoped({ open, close }) : scoped({ per, open, close }) };
}

describe("a resource of an attempt", () => {
  it("is opened when it is first looked at, once, and closed with what the attempt failed with", async () => {
    const { events, resource } = recorded();
    const { runner } = listening({ resources: { db: resource, plain: 7 } });
    await using _ = runner;
    const built = flow("using", { version: "1" })
      .step("without", (_input, { resources }) => resources["plain"])
      .step(
        "with",
        async (plain, { resources, attempt }) => {
          const [one, same] = [await resources["db"], await resources["db"]];
          if (attempt === 1) throw new Error("first");
          return [plain, one, one === same];
        },
        { retry: { attempts: 2, backoff: "immediate" } },
      )
      .build();
    expect(await runner.run(built, 1)).toMatchObject({ output: [7, "r2", true] });
    expect(events).toEqual(["open 1", "close r1 first", "open 2", "close r2 well"]);
  });

  it("is closed when the attempt takes too long, and is not opened any more then", async () => {
    const { events, resource } = recorded();
    const { runner } = listening({ resources: { db: resource, late: resource } });
    await using _ = runner;
    let after: unknown;
    let resume = (): void => undefined;
    const gate = new Promise<void>((resolve) => (resume = resolve));
    let begun = false;
    const built = lone(
      async (_input, { resources }) => {
        await resources["db"];
        begun = true;
        await gate;
        try {
          await resources["late"];
        } catch (error) {
          after = error;
        }
      },
      { timeout: "1s" },
    );
    const running = runner.run(built, 1);
    while (!begun) await new Promise((resolve) => setImmediate(resolve));
    await runner.clock.advance(1_000);
    expect(await running).toMatchObject({ failure: { code: "STEP_TIMEOUT" } });
    expect(events).toEqual(["open 1", "close r1 the attempt took longer than its timeout of 1000 ms"]);
    resume();
    while (after === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(after).toMatchObject({ code: "RESOURCE_CLOSED" });
  });

  it("is disposed where nothing says how to close it, and what that throws is logged", async () => {
    const { runner, lines } = listening({
      resources: {
        db: scoped(() => ({
          [Symbol.asyncDispose]: () => Promise.reject(new Error("stuck")),
        })),
      },
    });
    await using _ = runner;
    const built = lone((_input, { resources }) => resources["db"] !== undefined);
    expect(await runner.run(built, 1)).toMatchObject({ output: true });
    expect(lines.map(({ message }) => message)).toEqual(["the resource db could not be closed"]);
  });
});

describe("a resource of a process", () => {
  it("is opened once, for all runs, and closed with the runner", async () => {
    const { events, resource } = recorded("process");
    const { runner } = listening({ resources: { db: resource } });
    const built = lone((_input, { resources }) => resources["db"]);
    for (let i = 0; i < 2; i++) expect(await runner.run(built, i)).toMatchObject({ output: "r1" });
    expect(events).toEqual(["open 1"]);
    await runner.close();
    expect(events).toEqual(["open 1", "close r1 well"]);
  });

  it("is opened anew when that failed", async () => {
    let tries = 0;
    const db = scoped({
      per: "process",
      open: () => {
        tries += 1;
        return tries === 1 ? Promise.reject(new Error("not yet")) : Promise.resolve("open");
      },
    });
    const { runner } = listening({ resources: { db } });
    await using _ = runner;
    const built = lone((_input, { resources }) => resources["db"], { retry: { attempts: 2, backoff: "immediate" } });
    expect(await runner.run(built, 1)).toMatchObject({ output: "open" });
  });
});
