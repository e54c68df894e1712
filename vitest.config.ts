import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (file: string): string => fileURLToPath(new URL(`src/${file}`, import.meta.url));

export default defineConfig({
  resolve: {
    // The same table as `paths` in tsconfig.json: public names mean the source.
    alias: [
      { find: /^flujo$/, replacement: source("index.ts") },
      { find: /^flujo\/sqlite$/, replacement: source("sqlite.ts") },
      { find: /^flujo\/testing$/, replacement: source("testing.ts") },
    ],
  },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // A name that promises a type test must be compiled: `npm run typecheck` includes every *.test-d.ts.
    globalSetup: ["test/setup/build.ts"],
    setupFiles: ["test/setup/leaks.ts"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
