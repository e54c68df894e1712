import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type LockedPackage, missingPlatformPackages } from "../../scripts/platform-packages.ts";

describe.each(["package-lock.json", "bench/package-lock.json", "test/ai-sdk/package-lock.json"])(
  "the lock file %s",
  (name) => {
    const text = readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
    const lock = JSON.parse(text) as { packages: Record<string, LockedPackage> };

    it("lists every platform package, or npm ci would refuse it (npm run lock:complete)", () => {
      expect(Object.keys(missingPlatformPackages(lock.packages))).toEqual([]);
    });

    it("names no registry", () => {
      expect(text).not.toContain('"resolved"');
    });
  },
);

describe("a platform package the registry lacks", () => {
  const missing = (name: string, version = "1.2.3"): Record<string, LockedPackage> =>
    missingPlatformPackages({ "node_modules/tool": { dev: true, optionalDependencies: { [name]: version } } });

  it.each([
    ["@tool/cli-darwin-arm64", { os: ["darwin"], cpu: ["arm64"] }],
    ["@tool/binding-linux-x64-musl", { os: ["linux"], cpu: ["x64"], libc: ["musl"] }],
    ["@tool/binding-linux-arm-gnueabihf", { os: ["linux"], cpu: ["arm"], libc: ["glibc"] }],
    ["@tool/binding-win32-ia32-msvc", { os: ["win32"], cpu: ["ia32"] }],
    ["@tool/win32-x64", { os: ["win32"], cpu: ["x64"] }],
  ])("%s is known by its name", (name, platform) => {
    expect(missing(name)).toEqual({
      [`node_modules/${name}`]: { version: "1.2.3", dev: true, optional: true, ...platform },
    });
  });

  it.each([
    ["fsevents", "2.3.3"],
    ["@tool/cli-darwin-arm64", "^1.0.0"],
  ])("%s@%s is an error, because its platform or version is a guess", (name, version) => {
    expect(() => missing(name, version)).toThrow(/is missing in the lock file/);
  });

  it("is left alone when locked at the top or below its parent", () => {
    const parent = { optionalDependencies: { "@t/darwin-x64": "1.0.0", "@t/darwin-arm64": "1.0.0" } };
    const packages = {
      "node_modules/t": parent,
      "node_modules/@t/darwin-x64": {},
      "node_modules/t/node_modules/@t/darwin-arm64": {},
    };
    expect(missingPlatformPackages(packages)).toEqual({});
  });
});
