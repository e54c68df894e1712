import { luhnSum } from "./check-digits.ts";
import { Draw } from "./draw.ts";

/** Sixteen digits of an order: nine of ten fail the checksum, and those that pass by chance are the shop's own bad luck. */
function orderNumber(draw: Draw): string {
  for (;;) {
    const digits = `${draw.int(1, 9)}${draw.digits(15)}`;
    if (luhnSum(digits) % 10 !== 0) return digits;
  }
}

const date = (draw: Draw): string =>
  `${draw.int(1990, 2030)}-${String(draw.int(1, 12)).padStart(2, "0")}-${String(draw.int(1, 28)).padStart(2, "0")}`;
const time = (draw: Draw): string => [draw.int(10, 23), draw.int(10, 59), draw.int(10, 59)].join(":");

const uuid = (draw: Draw): string => `${draw.hex(8)}-${draw.hex(4)}-4${draw.hex(3)}-a${draw.hex(3)}-${draw.hex(12)}`;

const version = (draw: Draw): string => `${draw.int(0, 30)}.${draw.int(0, 40)}.${draw.int(0, 99)}`;

const isbn = (draw: Draw): string => `978-${draw.int(0, 9)}-${draw.digits(2)}-${draw.digits(6)}-${draw.digits(1)}`;

type Maker = (draw: Draw) => string;

/** Numbers, names and code of everyday texts that identify nobody. */
const MAKERS: readonly Maker[] = [
  (draw) => `Order #${draw.digits(8)} shipped`,
  (draw) => `order ${orderNumber(draw)} of batch ${draw.digits(3)}`,
  (draw) => `Amazon order ${draw.int(100, 199)}-${draw.digits(7)}-${draw.digits(7)}`,
  (draw) => `invoice INV-${draw.int(2000, 2030)}-${draw.digits(6)}`,
  (draw) => `released version ${version(draw)}`,
  (draw) => `firmware version ${version(draw)}.${draw.int(0, 9)}`,
  (draw) => `v${version(draw)}.${draw.int(0, 9)} is out`,
  (draw) => `"react": "^${version(draw)}", "vite": "~${version(draw)}"`,
  (draw) => `npm i lodash@${version(draw)} @scope/pkg@${version(draw)}`,
  (draw) => `pip install numpy==${version(draw)}`,
  (draw) => `at ${date(draw)}T${time(draw)}.${draw.digits(3)}Z`,
  (draw) => `${date(draw)} ${time(draw)} INFO started`,
  (draw) =>
    `due ${draw.int(10, 28)}.${draw.int(10, 12)}.${draw.int(2000, 2030)} at ${draw.int(10, 23)}:${draw.int(10, 59)}`,
  (draw) => `timestamp ${draw.int(1_600_000_000, 1_799_999_999)}`,
  (draw) => `ts=${draw.int(1_600_000_000, 1_799_999_999)}${draw.digits(3)} took ${draw.digits(3)} ms`,
  (draw) => `nanos ${draw.int(1_600_000_000, 1_799_999_999)}${draw.digits(9)}`,
  (draw) => `commit ${draw.hex(40)}`,
  (draw) => `git show ${draw.hex(7)}..${draw.hex(7)}`,
  (draw) => `sha256:${draw.hex(64)}`,
  (draw) => `md5 ${draw.hex(32)} ok`,
  (draw) => `id ${uuid(draw)}`,
  (draw) => `/runs/${uuid(draw)}/steps/${draw.int(1, 99)}`,
  (draw) => `ISBN ${isbn(draw)}`,
  (draw) => `price 1,${draw.digits(3)},${draw.digits(3)}.${draw.digits(2)} USD`,
  (draw) => `total: $${draw.int(1, 9_999)}.${draw.digits(2)} (was €${draw.int(10_000, 99_999)})`,
  (draw) => `lat ${draw.int(10, 89)}.${draw.digits(7)}, lon -${draw.int(10, 179)}.${draw.digits(7)}`,
  (draw) => `pi is 3.${draw.digits(15)}`,
  (draw) => `const mask = 0x${draw.hex(8)}; const size = ${draw.int(1_000, 99_999)};`,
  (draw) => `std::vector<int> v(${draw.int(1, 99)}); a::b::c(${draw.int(1, 99)});`,
  (draw) => `image logo@2x.png ${draw.int(100, 999)}x${draw.int(100, 999)}`,
  (draw) => `git clone git@github.com:team/repo-${draw.int(1, 99)}.git`,
  (draw) => `@Component on line ${draw.int(1, 999)}; @media (max-width: ${draw.int(100, 999)}px)`,
  (draw) => `https://example.com:8443/a/@user/${draw.digits(6)}?page=${draw.int(1, 99)}`,
  (draw) => `listening on 127.0.0.1:${draw.int(1_024, 9_999)} and 0.0.0.0`,
  (draw) => `netmask 255.255.${draw.of([255, 254, 0])}.0`,
  (draw) => `section ${draw.int(1, 9)}.${draw.int(1, 9)}.${draw.int(1, 9)}.${draw.int(1, 9)}`,
  (draw) => `OID 1.3.6.1.4.1.${draw.int(1, 9_999)}.${draw.int(1, 99)}`,
  (draw) => `range ${draw.int(1, 99)}-${draw.int(100, 999)} of ${draw.int(1_000, 9_999)}`,
  (draw) => `score 3-2-1, rows ${draw.int(10, 99)} ${draw.int(10, 99)} ${draw.int(10, 99)}`,
  (draw) => `color #${draw.hex(6)} on #${draw.hex(3)}`,
  (draw) => `data:image/png;base64,${draw.alnum(60)}=`,
  (draw) => `task-${draw.alnum(24).toLowerCase()} done`,
  (draw) => `sk-learn-pipeline-component-for-${draw.of(["text", "images", "audio"])}`,
  (draw) => `ean ${draw.int(1, 2)}${draw.digits(12)}`,
  (draw) => `snowflake 1${draw.digits(17)}`,
  (draw) => `fingerprint ${Array.from({ length: 16 }, () => draw.hex(2)).join(":")}`,
  (draw) => `ratio ${draw.int(1, 99)}:${draw.int(1, 99)}, elapsed ${time(draw)}`,
  (draw) => `flight LH${draw.int(100, 999)} seat ${draw.int(1, 40)}A, gate B${draw.int(1, 60)}`,
  (draw) => `The ${draw.int(2, 99)} servers answered ${draw.int(1_000, 9_999_999)} requests.`,
  (draw) => `bytes ${draw.int(10_000, 99_999)}/${draw.int(100_000, 999_999)}`,
];

/** 1,000 texts in which nothing is to be found. */
export function negatives(seed = 21, each = 20): readonly string[] {
  const draw = new Draw(seed);
  return MAKERS.flatMap((make) => Array.from({ length: each }, () => make(draw)));
}
