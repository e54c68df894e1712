import { chaosTest } from "./chaos-test.ts";

chaosTest("sqlite");
