import { chaosTest } from "./chaos-test.ts";

chaosTest("postgres");
