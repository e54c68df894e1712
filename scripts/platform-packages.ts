export interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type Lock = Readonly<Record<string, LockedPackage>>;

const PLATFORM =
  /(?:^|[-/])(android|darwin|freebsd|linux|openharmony|win32)-(arm64|arm|x64|ia32|ppc64|riscv64|s390x)(?:-(\w+))?$/;
const LIBC: Readonly<Record<string, string>> = {
  gnu: "glibc",
  gnueabihf: "glibc",
  musl: "musl",
  musleabihf: "musl",
};

/**
 * Lock entries for the optional dependencies of locked packages that are not locked themselves. Only exact versions
 * of packages named after a platform can be completed; anything else is an error, for nobody knows its platform.
 */
export function missingPlatformPackages(lock: Lock): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {};
  for (const [location, locked] of Object.entries(lock)) {
    for (const [name, version] of Object.entries(locked.optionalDependencies ?? {})) {
      const found = `${location}/node_modules/${name}` in lock || `node_modules/${name}` in lock;
      if (!found) missing[`node_modules/${name}`] = entry(name, version, locked.dev === true);
    }
  }
  return missing;
}

function entry(name: string, version: string, dev: boolean): LockedPackage {
  const [, os, cpu, abi] = name.match(PLATFORM) ?? [];
  if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+[\w.-]*$/.test(version)) {
    throw new Error(`${name}@${version} is missing in the lock file and is not an exact version for one platform`);
  }
  const libc = os === "linux" && abi !== undefined ? LIBC[abi] : undefined;
  const dependency = dev ? { dev: true } : {};
  return {
    version,
    cpu: [cpu],
    ...dependency,
    ...(libc === undefined ? {} : { libc: [libc] }),
    optional: true,
    os: [os],
  };
}
