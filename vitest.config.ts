import { fileURLToPath } from "node:url";
import { defineConfig, type ViteUserConfig } from "vitest/config";

const source = (file: string): string => fileURLToPath(new URL(`src/${file}`, import.meta.url));

const config: ViteUserConfig = defineConfig({
  resolve: {
    // The same table as `paths` in tsconfig.json: public names mean the source.
    alias: [
      { find: /^flujo$/, replacement: source("index.ts") },
      { find: /^flujo\/sqlite$/, replacement: source("sqlite.ts") },
      { find: /^flujo\/postgres$/, replacement: source("postgres.ts") },
      { find: /^flujo\/redis$/, replacement: source("redis.ts") },
      { find: /^flujo\/mongodb$/, replacement: source("mongodb.ts") },
      { find: /^flujo\/sharded$/, replacement: source("sharded.ts") },
      { find: /^flujo\/ai-sdk$/, replacement: source("ai-sdk.ts") },
      { find: /^flujo\/testing$/, replacement: source("testing.ts") },
    ],
  },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"],
    globalSetup: ["test/setup/build.ts", "test/setup/server-host.ts"],
    setupFiles: ["test/setup/leaks.ts"],
    // vitest leaves a core alone, which on two of them means one file at a time, and many files wait for servers and processes.
    maxWorkers: "100%",
    // A test that hangs ends here. Not a measure: the slowest take 15 s alone, and a busy machine is ten times slower.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
});

export default config;
