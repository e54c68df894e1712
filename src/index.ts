// Describe
export { flow } from "./dsl/flow.ts";
export type { Flow, FlowContext, FlowInput, FlowOutput } from "./dsl/flow-type.ts";
// Run
export { Flujo, type FlowChoice } from "./runner/flujo.ts";
export type { RunHandle } from "./runner/handle.ts";
export type { FlujoOptions, RunOptions, StartOptions } from "./runner/options.ts";
export type { Pause, RunDetails, RunResult, RunView } from "./runner/result.ts";
export { NonRetryableError, RetryAfter } from "./domain/errors.ts";
// Speak
export { ERRORS, type ErrorCode, FlujoError } from "./domain/errors.ts";
export { type Failure, RunFailedError } from "./domain/failure.ts";
