import type * as flujo from "flujo";
import { describe, expect, it, vi } from "vitest";

/** What an example may reach: everything while it runs, nothing while it replays. */
const outside = vi.hoisted(() => ({ closed: false, reached: 0, replays: [] as unknown[] }));

vi.mock("flujo", async (original) => {
  const real = await original<typeof flujo>();
  const reach = (): void => {
    if (outside.closed) throw new Error("a replay calls no model and no tool");
    outside.reached += 1;
  };
  const guarded = <T extends object>(model: T): T =>
    new Proxy(model, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...given: readonly unknown[]): unknown => {
          if (name === "generate") reach();
          return Reflect.apply(value, target, given) as unknown;
        };
      },
    });
  class ClosingFlujo extends real.Flujo {
    override async replayFromTrace(...given: Parameters<InstanceType<typeof real.Flujo>["replayFromTrace"]>) {
      outside.closed = true;
      try {
        const replayed = await super.replayFromTrace(...given);
        outside.replays.push(replayed.differences);
        return replayed as never;
      } finally {
        outside.closed = false;
      }
    }
  }
  const tool = ((options: Parameters<typeof real.tool>[0]) =>
    real.tool({
      ...options,
      run: (...given) => {
        reach();
        return options.run(...given);
      },
    })) as typeof real.tool;
  return {
    ...real,
    tool,
    Flujo: ClosingFlujo,
    scriptedModel: (...given: Parameters<typeof real.scriptedModel>) => guarded(real.scriptedModel(...given)),
    rolePlay: (...given: Parameters<typeof real.rolePlay>) => guarded(real.rolePlay(...given)),
  };
});

describe("an example with agents", () => {
  it.each([
    ["the research agent", () => import("../../examples/08-research-agent.ts")],
    ["the support assistant", () => import("../../examples/09-support-assistant.ts")],
    ["the library with a cache", () => import("../../examples/10-rag-with-cache.ts")],
  ])("replays itself without its models and tools: %s", async (_, run) => {
    const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
    Object.assign(outside, { reached: 0, replays: [] });
    await run();
    log.mockRestore();
    expect(outside.reached).toBeGreaterThan(0);
    expect(outside.replays.length).toBeGreaterThan(0);
    expect(outside.replays.flat()).toEqual([]);
  });
});
