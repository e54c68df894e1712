import { type Flow, flow } from "flujo";

/** Its second step kills every process that has no antidote. */
export const poisoned: Flow<unknown, string> = flow("poisoned", { version: "1" })
  .step("fine", () => "fine")
  .step("poison", (_, { resources }) => {
    if (resources["antidote"] !== true) process.kill(process.pid, "SIGKILL");
    return "alive";
  })
  .build();
