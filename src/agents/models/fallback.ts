import type { Model } from "../../ports/model.ts";
export const fallbackModels = (models: readonly Model[]): Model => models[0] as Model;
