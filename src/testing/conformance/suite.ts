import { checkInvariants } from "../../engine/invariants.ts";
import type { Expect, TestApi, TestFunction } from "./api.ts";
import { ManualClock } from "./clock.ts";
import { START_MS } from "./records.ts";
import { Scene } from "./scene.ts";
import type { Aspect, UnderTest } from "./under-test.ts";

/** One aspect of the contract, in a file of its own. */
export interface AspectSuite {
  readonly aspect: Aspect;
  /** Finishes the sentence "a store …". */
  readonly title: string;
  readonly define: (suite: Suite) => void;
  /** Cases of a store that lacks the aspect: how it says so. */
  readonly otherwise?: (suite: Suite) => void;
}

export interface Suite {
  /** A case with a store of its own, closed afterwards. Whatever the case did, the invariants hold at its end. */
  readonly it: (name: string, body: (scene: Scene) => Promise<void>, options?: CaseOptions) => void;
  readonly expect: Expect;
  readonly underTest: UnderTest;
  /** One more store, for cases that need several. Dispose of it. */
  readonly openScene: () => Promise<OpenScene>;
}

export interface OpenScene extends AsyncDisposable {
  readonly scene: Scene;
}

export interface CaseOptions {
  /** False for cases that close the store themselves. */
  readonly checked?: boolean;
}

export function defineAspect(
  { aspect, title, define, otherwise }: AspectSuite,
  underTest: UnderTest,
  api: TestApi,
): void {
  const lack = underTest.lacks?.[aspect] ?? withoutMeans(aspect, underTest);
  const reason = lack === undefined ? "" : ` [skipped: ${lack}]`;
  const suiteOf = (test: TestFunction): Suite => ({
    it: (name, body, options) => {
      test(name, async () => {
        await runCase(underTest, api.expect, body, options);
      });
    },
    expect: api.expect,
    underTest,
    openScene: async () => openScene(underTest, api.expect),
  });
  api.describe(`${title}${reason}`, () => {
    define(suiteOf(lack === undefined ? api.test : api.test.skip));
    if (lack !== undefined) otherwise?.(suiteOf(api.test));
  });
}

async function runCase(
  underTest: UnderTest,
  expect: Expect,
  body: (scene: Scene) => Promise<void>,
  { checked = true }: CaseOptions = {},
): Promise<void> {
  await using opened = await openScene(underTest, expect);
  const { scene } = opened;
  await body(scene);
  if (checked) expect(await checkInvariants(scene.store, { now: scene.clock.now() })).toEqual([]);
}

async function openScene(underTest: UnderTest, expect: Expect): Promise<OpenScene> {
  const clock = new ManualClock(START_MS);
  const store = await underTest.open({ clock });
  await store.migrate();
  return { scene: new Scene(store, clock, expect), [Symbol.asyncDispose]: async () => store[Symbol.asyncDispose]() };
}

function withoutMeans(aspect: Aspect, underTest: UnderTest): string | undefined {
  if (aspect === "reopen" && underTest.reopen === undefined) return "there is no way to open the same data again";
  if (aspect === "transact" && underTest.scratch === undefined)
    return "it has no transactions that a step could take part in";
  return undefined;
}
