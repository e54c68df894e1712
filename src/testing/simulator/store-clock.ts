import type { Clock } from "../../domain/ambient.ts";
import type { SimulationLoop } from "./loop.ts";

/** The store's own clock: true time. */
export const virtualStoreClock = (loop: SimulationLoop): Pick<Clock, "now"> => ({ now: () => loop.now });
