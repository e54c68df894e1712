import type { Ambient } from "../domain/ambient.ts";
import { FlujoError } from "../domain/errors.ts";
import type { QuotaLedger } from "../ports/ledger.ts";

/** What paying for work asks of a ledger. */
export type Payments = Pick<QuotaLedger, "hold" | "settleHolds">;

const TRIES = 6;
const FIRST_PAUSE_MS = 50;

/**
 * Accounts that are asked again where the store is in trouble, for up to 2 s. Both questions may be repeated: a hold is taken
 * once, and settled once. Without an answer nobody would know whether it was, and work that is paid for would be done again.
 */
export function patientLedger(ledger: Payments, { clock, random }: Pick<Ambient, "clock" | "random">): Payments {
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  const patiently = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries++) {
      try {
        return await ask();
      } catch (error) {
        const isMisuse = error instanceof FlujoError && error.code === "OPTION_INVALID";
        if (tries === TRIES || isMisuse) throw error;
        await pause(Math.ceil(FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + random() / 2)));
      }
    }
  };
  return {
    hold: (holds) => patiently(() => ledger.hold(holds)),
    settleHolds: (settlements) => patiently(() => ledger.settleHolds(settlements)),
  };
}
