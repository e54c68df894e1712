/** Where runs are kept when nobody says otherwise. Replaced by the full configuration reader. */
export function stateUri(): Promise<string> {
  return Promise.resolve(process.env["FLUJO_STATE_URI"] ?? "sqlite:./.flujo/state.db");
}
