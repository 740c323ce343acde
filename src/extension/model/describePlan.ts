/** The estimate that is shown before a model is loaded: what goes where, in words. Pure. */

import { formatBytes } from '../../common/byteFormat';
import type { PlacementPlan } from '../../common/placement';
import type { ModelDescription } from '../../common/protocol/engine';
import type { DeviceDescription } from '../../common/protocol/monitor';

/** One line for each stage, then what the planner warns of. Bytes are estimates until the model is loaded. */
export function describePlan(description: ModelDescription, plan: PlacementPlan, devices: readonly DeviceDescription[]): { readonly title: string; readonly detail: string } {
  const total = plan.stages.reduce((sum, stage) => sum + stage.weightBytes + stage.kvBytes + stage.activationBytes, 0);
  const numDevices = new Set(plan.stages.map((stage) => stage.device)).size;
  const lines = plan.stages.map((stage) => {
    const free = devices.find((device) => device.id === stage.device)?.freeBytes;
    const layers = stage.firstLayer === stage.endLayer - 1 ? `layer ${stage.firstLayer}` : `layers ${stage.firstLayer}–${stage.endLayer - 1}`;
    return `${stage.device}: ${layers}, ${formatBytes(stage.weightBytes)} weights + ${formatBytes(stage.kvBytes)} KV cache + ${formatBytes(stage.activationBytes)} activations${free === undefined ? '' : ` (${formatBytes(free)} free)`}`;
  });
  const context = `Context: ${plan.contextTokens.toLocaleString('en-US')} tokens; up to ${plan.largestContextTokens.toLocaleString('en-US')} would fit.`;
  return {
    title: `Load ${description.name} (about ${formatBytes(total)} on ${numDevices} ${numDevices === 1 ? 'device' : 'devices'}, ${plan.weightFormat})?`,
    detail: [...lines, context, ...plan.warnings.map((warning) => `⚠ ${warning.message}`)].join('\n'),
  };
}
