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
export { DelayedError } from "./domain/delayed-error.ts";

// Agents
export { agent, type Agent, type AgentOptions, type Prompt } from "./agents/agent.ts";
export { tool, type Tool, type ToolContext, type ToolOptions } from "./agents/tool.ts";
export { llm, type PaidModel } from "./agents/llm.ts";
export { type McpOptions, type McpTools, mcpTools } from "./agents/mcp/tools.ts";
export type { McpClient, McpCommand, McpServer, McpUrl } from "./agents/mcp/connect.ts";
export type { ApprovalQuestion } from "./agents/approval.ts";
export type { Decision, Turn } from "./agents/turn-record.ts";
export type { AgentStepOptions, Lowerable } from "./dsl/lowerable.ts";
export { fallbackModels } from "./agents/models/fallback.ts";
export { openAiCompatible, openAiCompatibleEmbedder } from "./agents/models/openai-compatible.ts";
export { recordModel, replayModel } from "./agents/models/cassette.ts";
export { rolePlay, scriptedModel } from "./agents/models/scripted/scripted-model.ts";
export type { ScriptStep } from "./agents/models/scripted/script.ts";
export type { Embedder, Message, Model, ModelAnswer, ModelRequest, ModelSettings, Price } from "./ports/model.ts";
export { majorityVote, codeConsensus } from "./agents/consensus/reducers.ts";
export { judgeSelection } from "./agents/consensus/judge.ts";
export { reasoningPrecheck } from "./agents/structured/reasoning-precheck.ts";

// Around a step
export type {
  CacheOptions,
  Invariant,
  Plugin,
  PluginAnswer,
  Processor,
  ProcessorOptions,
  Validator,
  Verdict,
} from "./dsl/around.ts";
export { scoped } from "./dsl/scoped.ts";
export type { HookAnswer, HookRun, Hooks, HookStep } from "./policies/hooks.ts";
export { addContextVariables, enforceJson, stripMarkdownFences } from "./policies/shipped-processors.ts";

// Budgets
export type { UsageLimits } from "./domain/usage-limits.ts";
export type { BudgetOptions } from "./runner/budgets.ts";
export type { ModelOptions } from "./runner/agency.ts";
export type { UsageView } from "./runner/usage.ts";

// Govern
export type { GovernanceEvent, GovernancePolicy, ModelCall } from "./policies/govern/governor.ts";
export { allowAll, denyAll, piiScrub, toolAllowList } from "./policies/govern/policies.ts";
export { auditLog } from "./policies/govern/audit-log.ts";
export { concealingStore } from "./policies/govern/concealing-store.ts";
export { Veil } from "./policies/govern/veil.ts";

// Replay
export type { RunExport } from "./runner/export.ts";
export type { ReplayResult } from "./runner/replay.ts";

// Background
export type { BackgroundTask, RetriedTask } from "./runner/background.ts";
export type { ErrorCategory } from "./domain/error-category.ts";
export {
  type Question,
  type ResumeTaskOptions,
  TaskClient,
  type TaskClientOptions,
  type TaskDetails,
} from "./runner/task-client.ts";
export type { StepView } from "./runner/task-view.ts";

// Evaluate
export { defaultJudge, type JudgeFunction, type ShadowJudge } from "./evaluation/judge.ts";
export type { ShadowSample } from "./evaluation/sample.ts";
export type { Evaluation, EvaluationPage } from "./evaluation/evaluations.ts";
export type { ShadowCounts } from "./evaluation/shadow.ts";
export type { ShadowVerdict } from "./evaluation/verdict.ts";
export type { ShadowEvalOptions } from "./runner/shadow.ts";

// Refer to what is too large for a run
export {
  type ContextReference,
  isReference,
  reference,
  type ReferenceHandle,
} from "./domain/reference.ts";
export { fileStateProvider } from "./runner/file-state.ts";
export { type ReferenceOptions, type StoreBackedProvider, storeStateProvider } from "./runner/state-providers.ts";
export type { StateOptions, StateProvider } from "./ports/state-provider.ts";

// Remember
export { memory, type Memory, type MemoryEntry, memoryOf } from "./agents/memory/memory.ts";
export type { MemoryOptions } from "./runner/memory.ts";
export type { IndexedStep } from "./runner/memory-index.ts";
export { memoryVectors } from "./stores/memory/vectors.ts";
export type { VectorItem, VectorMatch, VectorMetadata, VectorQuery, VectorStore } from "./ports/vector.ts";

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
