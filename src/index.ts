// Describe
export { flow } from "./dsl/flow.ts";
export { step } from "./dsl/step.ts";
export { describe } from "./definition/describe.ts";
export { toMermaid } from "./definition/mermaid.ts";
export type { Body, Fragment } from "./dsl/builder.ts";
export type { StepContext, StepLog, View } from "./dsl/context.ts";
export type { Flow, FlowContext, FlowInput, FlowOutput } from "./dsl/flow-type.ts";
export type { StepOptions } from "./dsl/options.ts";
export type { Caught, First } from "./dsl/outcome.ts";
export type { Settled } from "./dsl/options.ts";
export type { Definition } from "./definition/definition.ts";
export type { JoinPolicy, MergeStrategy, Reducer } from "./definition/node.ts";
export type { Duration } from "./domain/duration.ts";
export type { Schema } from "./domain/schema.ts";
export { retries, type RetryOptions } from "./domain/retry.ts";

// Run
export { Flujo } from "./runner/flujo.ts";
export type { FlowChoice } from "./runner/opened.ts";
export type { RunHandle } from "./runner/handle.ts";
export type { SignalOptions } from "./runner/messages.ts";
export type { FlujoOptions, RunOptions, StartOptions } from "./runner/options.ts";
export type { FiberView, Pause, RunDetails, RunResult, RunView } from "./runner/result.ts";
export type { QueueOptions, QueueView, RateOptions } from "./runner/queues.ts";
export type { ScheduleOptions, ScheduleView } from "./runner/schedules.ts";
export type { WorkerView } from "./runner/workers.ts";
export type { StreamItem } from "./runner/stream.ts";
export type { Why } from "./runner/why.ts";
export type { WorkerOptions } from "./worker/options.ts";
export { NonRetryableError, RetryAfter } from "./domain/errors.ts";

// Watch
export { compositeObserver } from "./observe/composite.ts";
export { loggingObserver, type LoggingOptions } from "./observe/logging.ts";
export { type MetricsObserver, type MetricsSnapshot, metricsObserver } from "./observe/metrics.ts";
export type { HistoryEvent } from "./domain/event.ts";
export type { Observation, Observer } from "./ports/observer.ts";
export type { Metadata, RunStatus } from "./domain/run.ts";

// Speak
export { ERRORS, type ErrorCode, FlujoError } from "./domain/errors.ts";
export { type Failure, RunFailedError } from "./domain/failure.ts";
