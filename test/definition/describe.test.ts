import { describe, expect, it } from "vitest";
import * as v from "valibot";
import { z } from "zod";
import { describe as describeDefinition } from "../../src/definition/describe.ts";
import { toMermaid } from "../../src/definition/mermaid.ts";
import { encode } from "../../src/domain/wire.ts";
import { sample } from "./sample-flow.ts";
import { flow } from "../../src/dsl/flow.ts";

const one = (): number => 1;

describe("describe", () => {
  it("tells the whole structure as plain JSON", () => {
    const built = flow("told", { version: "1", description: "for the test", timeout: "1m" })
      .input(z.object({ a: z.string() }))
      .step("a", one, { retry: 2, timeout: "5s", queue: "q", priority: 1, output: v.number(), compensate: one })
      .if(
        "i",
        (n) => n > 1,
        (b) => b.sleep("z", "1s"),
        (b) => b.sleep("y", () => 1),
      )
      .build();
    const retry = { attempts: 2, firstDelayMs: 200, factor: 2, maxDelayMs: 60_000, jitter: "full" };
    const once = { attempts: 1, firstDelayMs: 0, factor: 1, maxDelayMs: 0, jitter: "none" };
    const wait = (path: string, id: string, forMs: unknown) => ({
      kind: "wait",
      label: "sleep",
      id,
      path: `${path}/${id}`,
      for: "sleep",
      forMs,
    });
    expect(describeDefinition(built)).toEqual({
      name: "told",
      version: "1",
      fingerprint: built.fingerprint,
      description: "for the test",
      timeoutMs: 60_000,
      input: { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
      root: {
        kind: "sequence",
        label: "flow",
        id: "root",
        path: "root",
        children: [
          {
            ...{
              kind: "step",
              label: "step",
              id: "a",
              path: "root/a",
              retry,
              timeoutMs: 5_000,
              queue: "q",
              priority: 1,
            },
            ...{ output: true, compensate: { retry: once } },
          },
          {
            ...{ kind: "branch", label: "if", id: "i", path: "root/i" },
            cases: ["then", "else"].map((name, i) => ({
              name,
              node: {
                ...{ kind: "sequence", label: name, id: name, path: `root/i/${name}` },
                children: [i === 0 ? wait("root/i/then", "z", 1_000) : wait("root/i/else", "y", "computed")],
              },
            })),
          },
        ],
      },
      calls: [],
    });
  });

  it("tells every kind of node in a form that can be stored", () => {
    const told = describeDefinition(sample());
    expect(encode(told)).toEqual(told);
    expect(JSON.parse(JSON.stringify(told))).toEqual(told);
    const kinds = new Set(
      JSON.stringify(told).match(/(?<="kind":")(step|sequence|branch|loop|fork|wait|call|attempt)/g),
    );
    expect([...kinds].sort()).toEqual(["attempt", "branch", "call", "fork", "loop", "sequence", "step", "wait"]);
    expect(JSON.stringify(told)).not.toContain("undefined");
  });

  it("tells what each configuration says", () => {
    const text = JSON.stringify(describeDefinition(sample()));
    for (const part of [
      `"mode":"until","max":5`,
      `"mode":"times","max":2`,
      `"over":"branches","concurrency":1,"join":{"kind":"critical","names":["left"]},"merge":{"kind":"context-update","fields":["x"],"reducers":{"x":"sum"}}`,
      `"choose":"computed"`,
      `"over":"map","concurrency":3,"join":{"kind":"atLeast","count":1},"merge":{"kind":"custom","name":"mine"}`,
      `"for":"signal","names":["paid","cancelled"],"named":true,"schemas":{"paid":{"type":"string"}},"deadlineMs":3600000,"onTimeout":"computed"`,
      `"for":"human","question":"Publish \\"it\\"?","answer":{"type":"boolean"}`,
      `"for":"sleepUntil","at":5`,
      `"single":true,"wait":"all"`,
      `"handler":{"kind":"catch"`,
      `"calls":[{"name":"child","version":"1"`,
    ]) {
      expect(text).toContain(part);
    }
  });
});

describe("toMermaid", () => {
  it("draws every construct in its own shape", () => {
    expect(toMermaid(sample())).toBe(DRAWN);
  });

  it("escapes everything that Mermaid could read as syntax", () => {
    const built = flow("f", { version: "1" }).waitForSignal("w", 'a"]; click n0 "javascript:x"\nend <b>`#{x}|').build();
    const [line] = toMermaid(built)
      .split("\n")
      .filter((text) => text.includes("waitForSignal"));
    expect(line).toMatch(/^ {2}n1\(\["[\p{L}\p{N} .,:@_#;-]*"\]\)$/u);
  });
});

const DRAWN = `flowchart TD
  n0(("sample@1"))
  n1["fetch"]
  n0 --> n1
  n2{"long"}
  n1 --> n2
  n3["cut"]
  n2 -->|"then"| n3
  n4((" "))
  n3 --> n4
  n2 -->|"else"| n4
  n5{"route"}
  n4 --> n5
  n6["rise"]
  n5 -->|"up"| n6
  n7["fall"]
  n5 -->|"down"| n7
  n8["stay"]
  n5 -->|"default"| n8
  n9((" "))
  n6 --> n9
  n7 --> n9
  n8 --> n9
  n10{{"refine: loop, at most 5"}}
  n9 --> n10
  n11["better"]
  n10 -->|"again"| n11
  n11 --> n10
  n12{{"twice: 2 times"}}
  n10 --> n12
  n13["again"]
  n12 -->|"again"| n13
  n13 --> n12
  n14[/"check: parallel"\\]
  n12 --> n14
  n15["x"]
  n14 -->|"left"| n15
  n16["y"]
  n14 -->|"right"| n16
  n17[\\"join: critical"/]
  n15 --> n17
  n16 --> n17
  n18[/"each: map, 3 at a time"\\]
  n17 --> n18
  n19["item"]
  n18 -->|"each"| n19
  n20[\\"join: atLeast"/]
  n19 --> n20
  n21(["payment: waitForAnySignal paid, cancelled"])
  n20 --> n21
  n22(["approve: human"])
  n21 --> n22
  n23(["later: sleepUntil"])
  n22 --> n23
  n24[["ask: call child@1"]]
  n23 --> n24
  subgraph s25["try: attempt"]
    n25((" "))
    n26["risky"]
    n25 --> n26
  end
  n24 --> n25
  n27>"catch"]
  n25 -.->|"on failure"| n27
  n28((" "))
  n26 --> n28
  n29["tell"]
  n27 --> n29
  n29 --> n28
  n30((("end")))
  n28 --> n30
`;
